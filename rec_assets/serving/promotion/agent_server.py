"""The agent's HTTP interface: three questions for probes, and the steps of a promotion for who has the key.

`GET /alive`, `/answers`, `/ready`: 200 or 503. `POST /prepare` takes `{"asset", "partition", "bundle_id"}`, `/commit`
and `/abort` take `{"bundle_id"}`; 200, 403 without the key, 409 with the reason where it cannot be done.
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

_LARGEST = 10_000  # bytes of a request

logger = logging.getLogger(__name__)


def serve(agent: "Agent", settings: Settings, address: str = "0.0.0.0") -> None:
    """Answers until the process ends."""
    listen(agent, settings, address).serve_forever()


def listen(agent: "Agent", settings: Settings, address: str) -> ThreadingHTTPServer:
    """Returns the server, listening at the settings' `agent_port`."""
    handler = type("AgentHandler", (_Handler,), {"agent": agent, "key": settings.triton_control_key})
    return ThreadingHTTPServer((address, settings.agent_port), handler)


class _Handler(BaseHTTPRequestHandler):
    agent: "Agent"
    key: str

    def do_GET(self) -> None:
        """Answers a probe."""
        questions: dict[str, Callable[[], bool]] = {
            "/alive": lambda: True,
            "/answers": self.agent.answers,
            "/ready": lambda: self.agent.is_ready,
        }
        question = questions.get(self.path)
        self._answer(404 if question is None else 200 if question() else 503)

    def do_POST(self) -> None:
        """Does a step of a promotion."""
        given = self.headers.get(KEY_HEADER, "").encode()
        # Without a key of its own it trusts nobody.
        if not self.key or not hmac.compare_digest(given, self.key.encode()):
            self._answer(403, "wrong or no key")
            return
        try:
            asked = json.loads(self.rfile.read(min(int(self.headers.get("Content-Length", 0)), _LARGEST)))
            steps: dict[str, Callable[[], None]] = {
                "/prepare": lambda: self.agent.prepare(Candidate(**asked)),
                "/commit": lambda: self.agent.commit(asked["bundle_id"]),
                "/abort": lambda: self.agent.abort(asked["bundle_id"]),
            }
            if self.path not in steps:
                self._answer(404)
                return
            steps[self.path]()
            logger.info("%s %s: done", self.path, asked["bundle_id"])
            self._answer(200)
        except (ValueError, TypeError, KeyError) as error:
            self._answer(400, str(error))
        except ActionableError as error:
            logger.error("%s: %s", self.path, error)
            self._answer(409, error.problem)

    def log_message(self, format: str, *args: Any) -> None:
        """Leaves probes out of the log."""

    def _answer(self, code: int, problem: str = "") -> None:
        body = json.dumps({"problem": problem} if problem else {}).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
