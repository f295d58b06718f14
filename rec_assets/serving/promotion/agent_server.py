"""The agent's HTTP interface: three probes, and the steps of a promotion for clients with the control key.

`GET /alive`, `/answers`, `/ready` return 200 or 503. `POST /prepare` takes `{"asset", "partition", "bundle_id"}`,
`/commit` and `/abort` take `{"bundle_id"}`. They return 200, 403 without the key, or 409 with the reason of a failure.
"""

import hmac
import json
import logging
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from rec_assets.common.errors import ActionableError
from rec_assets.serving.promotion.protocol import KEY_HEADER, Candidate
from rec_assets.settings import Settings

if TYPE_CHECKING:
    from rec_assets.serving.promotion.agent import Agent

_MAX_BODY = 10_000  # bytes of a request

logger = logging.getLogger(__name__)


def serve(agent: "Agent", settings: Settings, address: str = "0.0.0.0") -> None:
    """Serves the interface until the process ends."""
    listen(agent, settings, address).serve_forever()


def listen(agent: "Agent", settings: Settings, address: str) -> ThreadingHTTPServer:
    """Returns a server that listens on the settings' `agent_port`."""
    handler = type("AgentHandler", (_Handler,), {"agent": agent, "key": settings.triton_control_key})
    return ThreadingHTTPServer((address, settings.agent_port), handler)


class _Handler(BaseHTTPRequestHandler):
    agent: "Agent"
    key: str

    def do_GET(self) -> None:
        """Answers a probe."""
        probes: dict[str, Callable[[], bool]] = {
            "/alive": lambda: True,
            "/answers": self.agent.answers,
            "/ready": lambda: self.agent.is_ready,
        }
        probe = probes.get(self.path)
        self._answer(404 if probe is None else 200 if probe() else 503)

    def do_POST(self) -> None:
        """Runs a step of a promotion."""
        given = self.headers.get(KEY_HEADER, "").encode()
        # An agent without a configured key refuses all clients.
        if not self.key or not hmac.compare_digest(given, self.key.encode()):
            self._answer(403, "the control key is missing or wrong")
            return
        try:
            body = json.loads(self.rfile.read(min(int(self.headers.get("Content-Length", 0)), _MAX_BODY)))
            steps: dict[str, Callable[[], None]] = {
                "/prepare": lambda: self.agent.prepare(Candidate(**body)),
                "/commit": lambda: self.agent.commit(body["bundle_id"]),
                "/abort": lambda: self.agent.abort(body["bundle_id"]),
            }
            if self.path not in steps:
                self._answer(404)
                return
            steps[self.path]()
            logger.info("%s %s: done", self.path, body["bundle_id"])
            self._answer(200)
        except (ValueError, TypeError, KeyError) as error:
            self._answer(400, str(error))
        except ActionableError as error:
            logger.error("%s: %s", self.path, error)
            self._answer(409, error.problem)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing, because probes would fill the log."""

    def _answer(self, code: int, problem: str = "") -> None:
        body = json.dumps({"problem": problem} if problem else {}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
