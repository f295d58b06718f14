"""The project's HTTP servers: uvicorn with limits on connections and on the time of their requests."""

import asyncio
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_S = 10.0  # for the first line and the headers of a request
MAX_HEADERS = 64 * 1024  # bytes
LAST_REQUESTS_S = 5  # for running requests after a signal to end


def http_server(app: FastAPI, address: str, port: int, max_connections: int) -> uvicorn.Server:
    """Returns a server; its method `run` serves until a signal ends the process.

    Requests on more than `max_connections` connections get status 503.

    Args:
        app: the application.
        address: address of an interface of this machine, such as 127.0.0.1.
        port: the port.
        max_connections: most connections at a time.
    """
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=address,
            port=port,
            http=ImpatientProtocol,
            ws="none",
            log_level="warning",
            limit_concurrency=max_connections,
            timeout_graceful_shutdown=LAST_REQUESTS_S,
            server_header=False,
        )
    )


class ImpatientProtocol(HttpToolsProtocol):
    """Closes connections whose requests have slow or large headers.

    Headers must be complete within `HEADERS_S` seconds. Between two requests, and during one, only uvicorn's own limits
    hold: clients keep connections open. A request may have `MAX_HEADERS` bytes beside its body: its first line, headers
    and trailers, and the sizes of its chunks.
    """

    _timer: asyncio.TimerHandle | None = None
    _bytes = 0  # of the current request, without its body

    def connection_made(self, transport: Any) -> None:
        """Starts the time limit."""
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Reads a part of a request, and refuses the request if it is too large."""
        self._bytes += len(data)
        super().data_received(data)
        if self._bytes > MAX_HEADERS and not self.transport.is_closing():
            self.send_400_response("Headers are too large.")

    def on_message_begin(self) -> None:
        """Starts the time limit when a part of the headers has arrived."""
        super().on_message_begin()
        self._start()

    def on_headers_complete(self) -> None:
        """Ends the time limit."""
        super().on_headers_complete()
        self._stop()

    def on_body(self, body: bytes) -> None:
        """Takes a part of the body."""
        self._bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begins to count again."""
        self._bytes = 0
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the time limit."""
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(HEADERS_S, self.transport.close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
