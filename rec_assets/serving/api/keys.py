"""API keys: which requests are refused, and where the API may listen without keys."""

import hmac
import math
from collections.abc import Collection, MutableMapping
from typing import Any

from rec_assets.common.errors import ActionableError
from rec_assets.common.http.guard import App, Receive, Send, is_loopback
from rec_assets.serving.api.problems import refusal
from rec_assets.serving.api.rates import RateLimit
from rec_assets.settings import Settings

OPEN_PATHS = ("/alive", "/health", "/openapi.json")  # for probes, and for programs that generate clients
_SCHEME = b"Bearer "


def require_safe_address(settings: Settings) -> None:
    """Raises ActionableError if other machines could call the API without a key."""
    if not settings.api_key_set and not is_loopback(settings.api_address):
        problem = f"The API would listen on {settings.api_address} without a key."
        raise ActionableError(problem, "Set REC_API_KEYS, or REC_API_ADDRESS=127.0.0.1.")


class KeyGuard:
    """ASGI middleware that refuses requests without a valid key, or too many of one key, before their body is read.

    Without keys it refuses no request; then the API listens on this machine only (`require_safe_address`).
    """

    def __init__(self, app: App, keys: Collection[str], limit: RateLimit) -> None:
        """Stores the application, the valid keys, and the limit on the requests of each."""
        self._app, self._keys, self._limit = app, [key.encode() for key in sorted(keys)], limit

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it with status 401 or 429."""
        refused = None
        if self._keys and scope["type"] == "http" and scope["path"] not in OPEN_PATHS:
            refused = self._refused(scope)
        await (refused or self._app)(scope, receive, send)

    def _refused(self, scope: MutableMapping[str, Any]) -> App | None:
        given = dict(scope["headers"]).get(b"authorization", b"")
        sent = given.removeprefix(_SCHEME) if given.startswith(_SCHEME) else b""
        # Compares all keys, so that the time does not depend on the position of the right one.
        if not any([hmac.compare_digest(sent, key) for key in self._keys]):
            step = "Send the header `Authorization: Bearer KEY` with one of REC_API_KEYS."
            return refusal(401, "The API key is missing or wrong.", step, {"WWW-Authenticate": "Bearer"})
        if wait := self._limit.wait_of(sent):
            step = "Send it again after the seconds of Retry-After, or raise REC_API_REQUESTS_PER_SECOND."
            headers = {"Retry-After": str(math.ceil(wait))}
            return refusal(429, "This API key has sent too many requests.", step, headers)
        return None
