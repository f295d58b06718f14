"""Starts real servers for tests, in their own folders and on free ports."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from rec_assets.cli.local.valkey import Valkey
from rec_assets.settings import Settings
from rec_assets_tests.waiting import wait_until


def free_port() -> int:
    """Returns an unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def in_thread(server: uvicorn.Server) -> Iterator[str]:
    """Runs an HTTP server in a thread; yields its address."""
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield f"{server.config.host}:{server.config.port}"
    finally:
        server.should_exit = True
        thread.join()


@contextmanager
def running_valkey(home: Path) -> Iterator[Settings]:
    """Runs Valkey with the Bloom module; yields its settings, in which the other ports are unused."""
    ports = {f"{name}_port": free_port() for name in ("valkey", "triton_grpc", "triton_metrics")}
    settings = Settings.model_validate({"home": home, **ports})
    server = Valkey(settings)
    server.start()
    try:
        yield settings
    finally:
        server.stop()
