"""Starts real servers for tests, in their own folders and on free ports."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from rec_assets.cli.local.triton import Triton
from rec_assets.cli.local.valkey import Valkey
from rec_assets.settings import Settings


def free_port() -> int:
    """Returns an unused port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def stub(settings: Settings, model: str) -> psutil.Process:
    """Returns a process of one model of the running local Triton."""
    alive = [one for one in Triton(settings).process.family() if one.status() != psutil.STATUS_ZOMBIE]
    return next(one for one in alive if any(f"/{model}/" in word for word in one.cmdline()))


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
