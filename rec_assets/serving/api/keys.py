"""API keys: which requests are refused, and where the API may listen without keys."""

import hmac
from collections.abc import Collection, MutableMapping
from typing import Any

from rec_assets.common.errors import ActionableError
from rec_assets.common.http.guard import App, Receive, Send, is_loopback
from rec_assets.serving.api.problems import problem_response
from rec_assets.settings import Settings

OPEN_PATHS = ("/alive", "/health", "/openapi.json")  # for probes, and for programs that generate clients
_SCHEME = b"Bearer "


def require_safe_address(settings: Settings) -> None:
    """Raises ActionableError if other machines could call the API without a key."""
    if not settings.api_key_set and not is_loopback(settings.api_address):
        problem = f"The API would listen on {settings.api_address} without a key."
        raise ActionableError(problem, "Set REC_API_KEYS, or REC_API_ADDRESS=127.0.0.1.")


class KeyGuard:
    """ASGI middleware that refuses a request without a valid key before its body is read.

    Without keys it refuses no request; then the API listens on this machine only (`require_safe_address`).
    """

    def __init__(self, app: App, keys: Collection[str]) -> None:
        """Stores the application and the valid keys."""
        self._app, self._keys = app, [key.encode() for key in sorted(keys)]

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it with status 401."""
        if scope["type"] == "http" and scope["path"] not in OPEN_PATHS and not self._is_valid(scope):
            step = "Send the header `Authorization: Bearer KEY` with one of REC_API_KEYS."
            # An unread body would be taken for the next request.
            headers = {"WWW-Authenticate": "Bearer", "connection": "close"}
            refusal = problem_response(401, "The API key is missing or wrong.", step, headers)
            return await refusal(scope, receive, send)
        await self._app(scope, receive, send)

    def _is_valid(self, scope: MutableMapping[str, Any]) -> bool:
        given = dict(scope["headers"]).get(b"authorization", b"")
        sent = given.removeprefix(_SCHEME) if given.startswith(_SCHEME) else b""
        # Compares all keys, so that the time does not depend on the position of the right one.
        return not self._keys or any([hmac.compare_digest(sent, key) for key in self._keys])
