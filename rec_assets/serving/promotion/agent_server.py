"""The agent's HTTP interface: three probes, metrics, and the steps of a promotion for clients with the control key.

`GET /alive`, `/answers`, `/ready` return 200 or 503. `POST /prepare` takes `{"asset", "partition", "bundle_id"}`,
`/commit` and `/abort` take `{"bundle_id"}`. They return 200, 403 without the key, or 409 with the reason of a failure.
`GET /metrics` returns the states of the agent's loops.
"""

import hmac
import json
import logging
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any

from rec_assets.common.errors import ActionableError
from rec_assets.common.http_guard import is_known_host
from rec_assets.common.loop import prometheus_text
from rec_assets.serving.promotion.protocol import KEY_HEADER, Candidate
from rec_assets.settings import Settings

if TYPE_CHECKING:
    from rec_assets.serving.promotion.agent import Agent

MAX_BODY = 10_000  # bytes of a request
READ_S = 5.0  # longest wait for the next bytes of a request
MAX_REQUESTS = 16  # at a time; the kubelet and a promotion send a few

logger = logging.getLogger(__name__)


def serve(agent: "Agent", settings: Settings, address: str = "0.0.0.0") -> None:
    """Serves the interface until the process ends."""
    listen(agent, settings, address).serve_forever()


def listen(agent: "Agent", settings: Settings, address: str) -> ThreadingHTTPServer:
    """Returns a server that listens on the settings' `agent_port`."""
    given = {"agent": agent, "key": settings.triton_control_key, "hosts": settings.host_names}
    return _BoundedServer((address, settings.agent_port), type("AgentHandler", (_Handler,), given))


class _BoundedServer(ThreadingHTTPServer):
    """Serves at most `MAX_REQUESTS` requests at a time, and closes further connections."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._free = BoundedSemaphore(MAX_REQUESTS)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Starts a thread for the request, or closes its connection."""
        if not self._free.acquire(blocking=False):
            with suppress(OSError):
                request.sendall(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._free.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves the request."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._free.release()


class _Handler(BaseHTTPRequestHandler):
    agent: "Agent"
    key: str
    hosts: frozenset[str]
    timeout = READ_S

    def do_GET(self) -> None:
        """Answers a probe."""
        if not self._is_for_us():
            return
        if self.path == "/metrics":
            self._answer(200, prometheus_text(self.agent.loops).encode(), "text/plain; version=0.0.4")
            return
        probes: dict[str, Callable[[], bool]] = {
            "/alive": lambda: self.agent.is_alive,
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
            self._refuse(403, "the control key is missing or wrong")
            return
        if not self._is_for_us():
            return
        try:
            length = int(self.headers.get("Content-Length", 0))
            if not 0 <= length <= MAX_BODY:
                self._refuse(413, f"the body must have at most {MAX_BODY} bytes")
                return
            body = json.loads(self.rfile.read(length))
            steps: dict[str, Callable[[], None]] = {
                "/prepare": lambda: self.agent.prepare(Candidate(**body)),
                "/commit": lambda: self.agent.commit(body["bundle_id"]),
                "/abort": lambda: self.agent.abort(body["bundle_id"]),
            }
            if self.path not in steps:
                self._refuse(404)
                return
            steps[self.path]()
            logger.info("%s %s: done", self.path, body["bundle_id"])
            self._answer(200)
        except TimeoutError:
            self._refuse(408, "the body did not arrive in time")
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            self._refuse(400, str(error))
        except ActionableError as error:
            logger.error("%s: %s", self.path, error)
            self._refuse(409, error.problem)
        except Exception as error:
            logger.exception("%s failed", self.path)
            self._refuse(500, type(error).__name__)

    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing, because probes would fill the log."""

    def _is_for_us(self) -> bool:
        known = is_known_host(self.headers.get("Host", ""), self.hosts)
        if not known:
            self._refuse(400, "unknown host: add it to REC_ALLOWED_HOSTS")
        return known

    def _refuse(self, code: int, problem: str = "") -> None:
        self.close_connection = True  # an unread body would be taken for the next request
        self._answer(code, json.dumps({"problem": problem} if problem else {}).encode())

    def _answer(self, code: int, body: bytes = b"{}", kind: str = "application/json") -> None:
        with suppress(OSError):  # the client went away
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
