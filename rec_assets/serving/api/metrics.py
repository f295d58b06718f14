"""Times of the API's requests for Prometheus: `rec_api_request_seconds`, by path and status."""

import time
from collections.abc import MutableMapping
from typing import Any

from prometheus_client import REGISTRY, Histogram, start_http_server

from rec_assets.common.http.guard import App, Message, Receive, Send
from rec_assets.settings import Settings

NAME = "rec_api_request_seconds"
OTHER = "other"  # a path that the API does not have
# The objective of latency in deploy/monitoring/rules.yaml reads the bucket of 0.1 s.
BUCKETS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
_SECONDS = Histogram(NAME, "Times of requests to the API", ["path", "status"], buckets=BUCKETS)


def serve_metrics(settings: Settings) -> None:
    """Serves the metrics on `api_metrics_port` in a thread of this process, unless the port is 0."""
    if settings.api_metrics_port:
        start_http_server(settings.api_metrics_port, settings.api_address, REGISTRY)


class RequestTimer:
    """ASGI middleware that measures each request from its first line to the start of its response."""

    def __init__(self, app: App) -> None:
        """Stores the application."""
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Passes a request on and counts its response; an unforeseen error counts as status 500."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        began = time.perf_counter()

        async def timed(message: Message) -> None:
            if message["type"] == "http.response.start":
                _observe(scope, message["status"], began)
            await send(message)

        try:
            await self._app(scope, receive, timed)
        except Exception:
            _observe(scope, 500, began)
            raise


def _observe(scope: MutableMapping[str, Any], status: int, began: float) -> None:
    """Records one request. The label is the path of the route, so that ids do not become labels."""
    path = getattr(scope.get("route"), "path", OTHER)
    _SECONDS.labels(path, str(status)).observe(time.perf_counter() - began)
