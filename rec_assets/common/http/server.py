"""The project's HTTP servers: uvicorn with limits on connections and on the time of their requests."""

import asyncio
from typing import Any

import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADERS_S = 10.0  # for the first line and the headers of a request
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


class ImpatientProtocol(H11Protocol):
    """Closes a connection that sends no complete request within `HEADERS_S` seconds."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Starts the time limit."""
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Starts the time limit, unless it runs already."""
        super().data_received(data)
        if self._timer is None:
            self._start()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the time limit."""
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._timer = self.loop.call_later(HEADERS_S, self._end)

    def _end(self) -> None:
        self._timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
