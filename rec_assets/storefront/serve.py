"""Serves the storefront with limits on connections and on the time of their requests."""

import asyncio
from typing import Any

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from rec_assets.settings import Settings
from rec_assets.storefront.app import create_app

HEADERS_S = 10.0  # for the first line and the headers of a request
MAX_CONNECTIONS = 200


def serve(settings: Settings) -> None:
    """Serves the storefront until the process ends."""
    uvicorn.Server(config(settings)).run()


def config(settings: Settings) -> uvicorn.Config:
    """Returns uvicorn's configuration."""
    return uvicorn.Config(
        create_app(settings),
        host=settings.storefront_address,
        port=settings.storefront_port,
        http=ImpatientProtocol,
        ws="none",
        log_level="warning",
        limit_concurrency=MAX_CONNECTIONS,
        server_header=False,
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
