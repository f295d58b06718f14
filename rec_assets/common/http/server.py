"""The project's HTTP servers: uvicorn with limits on connections and on the time of their requests."""

import asyncio
from typing import Any

import h11
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
    """Closes a connection that sends no complete headers within `HEADERS_S` seconds.

    Between two requests, and during one, only uvicorn's own limits hold: clients keep connections open.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Starts the time limit."""
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        """Starts the time limit when a part of the headers has arrived, and ends it when all have."""
        super().data_received(data)
        is_partial = self.conn.their_state is h11.IDLE and bool(self.conn.trailing_data[0])
        if is_partial and self._timer is None:
            self._start()
        elif not is_partial:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the time limit."""
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._timer = self.loop.call_later(HEADERS_S, self.transport.close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
