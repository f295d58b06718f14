"""The real servers, for tests: started in a folder of their own on free ports."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rec_assets.cli.local.valkey import Valkey
from rec_assets.settings import Settings


def free_port() -> int:
    """Returns a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_valkey(home: Path) -> Iterator[Settings]:
    """Runs Valkey with the Bloom module; gives settings that reach it and, at the other ports, nothing."""
    ports = {f"{name}_port": free_port() for name in ("valkey", "triton_http", "triton_grpc", "triton_metrics")}
    settings = Settings.model_validate({"home": home, **ports})
    server = Valkey(settings)
    server.start()
    try:
        yield settings
    finally:
        server.stop()
