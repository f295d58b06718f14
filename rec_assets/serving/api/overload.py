"""Limit on requests in progress, so that an overloaded API refuses some requests instead of answering all too late."""

from collections.abc import MutableMapping
from typing import Any

from rec_assets.common.http.guard import App, Receive, Send
from rec_assets.serving.api.problems import refusal

ALIVE = "/alive"  # the liveness probe, which an overload must not fail


class OverloadGuard:
    """ASGI middleware that refuses requests while `most` others are in progress. Idle connections do not count."""

    def __init__(self, app: App, most: int) -> None:
        """Stores the application and the limit."""
        self._app, self._most, self._running = app, most, 0

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Passes a request on, or answers it with status 503."""
        if scope["type"] != "http" or scope["path"] == ALIVE:
            return await self._app(scope, receive, send)
        if self._running >= self._most:
            problem = f"The API already has {self._running} requests in progress."
            answer = refusal(503, problem, "Send it again later, or run more of `rec api`.", {"Retry-After": "1"})
            return await answer(scope, receive, send)
        self._running += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._running -= 1
