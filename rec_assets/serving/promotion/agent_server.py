"""The agent's HTTP interface: four probes, metrics, and the steps of a promotion for clients with the control key.

`GET /alive`, `/serves`, `/answers`, `/ready` return 200 or 503. `GET /metrics` returns the states of the agent's loops,
`GET /counters` Triton's counters by bundle and model.
`POST /prepare` takes a `protocol.Candidate`, `/commit` and `/abort` take `{"bundle_id", "token"}`. They return 200,
403 without the key, 422 for another body, or 409 with the reason of a failure.
"""

import hmac
import logging
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Annotated, Any

import uvicorn
from fastapi import Body, FastAPI, HTTPException, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from rec_assets.common.concurrency.loop import prometheus_text
from rec_assets.common.errors import ActionableError
from rec_assets.common.http.guard import App, HttpGuard, Receive, Send
from rec_assets.common.http.server import http_server
from rec_assets.serving.promotion.protocol import KEY_HEADER, Candidate
from rec_assets.serving.triton.control.counters import Counters, counters_by_bundle
from rec_assets.settings import Settings

if TYPE_CHECKING:
    from rec_assets.serving.promotion.agent import Agent

MAX_BODY = 10_000  # bytes of a request
BODY_S = 5.0  # for the whole body
MAX_CONNECTIONS = 16  # the kubelet and a promotion send a few requests

logger = logging.getLogger(__name__)


def agent_server(agent: "Agent", settings: Settings, address: str = "0.0.0.0") -> uvicorn.Server:
    """Returns a server of the interface on the settings' `agent_port`."""
    return http_server(create_app(agent, settings), address, settings.agent_port, MAX_CONNECTIONS)


def create_app(agent: "Agent", settings: Settings) -> FastAPI:
    """Returns the application."""
    app = FastAPI(title="Agent", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(HttpGuard, hosts=settings.host_names, max_body=MAX_BODY, body_s=BODY_S)
    app.add_middleware(_KeyForPosts, key=settings.triton_control_key)

    @app.exception_handler(ActionableError)
    def failed(request: Request, error: ActionableError) -> Response:
        logger.error("%s: %s", request.url.path, error)
        return JSONResponse({"detail": error.problem}, 409)

    @app.get("/alive")
    def alive() -> None:
        _require(agent.is_alive)

    @app.get("/serves")
    def serves() -> None:
        _require(agent.serves())

    @app.get("/answers")
    def answers() -> None:
        _require(agent.answers())

    @app.get("/ready")
    def ready() -> None:
        _require(agent.is_ready)

    @app.get("/metrics")
    def metrics() -> Response:
        return PlainTextResponse(prometheus_text(agent.loops), media_type="text/plain; version=0.0.4")

    @app.get("/counters")
    def counters() -> dict[str, dict[str, Counters]]:
        return counters_by_bundle(settings)

    @app.post("/prepare")
    def prepare(candidate: Candidate) -> None:
        agent.prepare(candidate)
        logger.info("prepared %s", candidate.bundle_id)

    @app.post("/commit")
    def commit(bundle_id: Annotated[str, Body(embed=True)], token: Annotated[int, Body()] = 0) -> None:
        agent.commit(bundle_id, token)
        logger.info("switched to %s", bundle_id)

    @app.post("/abort")
    def abort(bundle_id: Annotated[str, Body(embed=True)], token: Annotated[int, Body()] = 0) -> None:
        agent.abort(bundle_id, token)
        logger.info("aborted %s", bundle_id)

    return app


def _require(holds: bool) -> None:
    if not holds:
        raise HTTPException(503)


class _KeyForPosts:
    """ASGI middleware that refuses a POST without the control key before its body is read."""

    def __init__(self, app: App, key: str) -> None:
        self._app, self._key = app, key.encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "POST":
            given = dict(scope["headers"]).get(KEY_HEADER.lower().encode(), b"")
            # An agent without a configured key refuses all clients.
            if not self._key or not hmac.compare_digest(given, self._key):
                # An unread body would be taken for the next request.
                refusal = JSONResponse({"detail": "the control key is missing or wrong"}, 403, {"connection": "close"})
                return await refusal(scope, receive, send)
        await self._app(scope, receive, send)
