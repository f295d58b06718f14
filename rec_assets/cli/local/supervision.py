"""Starts, stops and inspects all local servers. Only one process at a time starts or stops them."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from rec_assets.cli.local.server import LOOPBACK, Server, ServerStatus
from rec_assets.cli.local.triton import Triton
from rec_assets.cli.local.valkey import Valkey
from rec_assets.cli.local.worker import Worker
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.storage.file_lock import exclusive_lock

# The servers may take this long to start.
LOCK_PATIENCE_S = 120.0


def servers(settings: Settings) -> list[Server]:
    """Returns the servers in starting order."""
    return [Valkey(settings), Triton(settings), Worker(settings)]


def up(settings: Settings) -> dict[str, bool]:
    """Starts servers that do not run and waits until they answer; returns for each whether it was started now.

    Raises:
        ActionableError: a port is taken, a binary is missing, a server does not start, or the published models do
            not load. Servers that were started keep running.
    """
    if settings.host not in (LOOPBACK, "localhost"):
        raise ActionableError(
            f"REC_HOST={settings.host} is another machine, but local servers listen on {LOOPBACK} only.",
            "Unset REC_HOST to use local servers.",
        )
    with _alone(settings):
        return {server.name: server.start() for server in servers(settings)}


def down(settings: Settings) -> dict[str, bool]:
    """Ends the servers that were started below `settings.home`; returns for each whether it ran."""
    with _alone(settings):
        return {server.name: server.stop() for server in reversed(servers(settings))}


def status(settings: Settings) -> list[ServerStatus]:
    """Returns the current state of each server."""
    return [server.status() for server in servers(settings)]


@contextmanager
def services(settings: Settings) -> Iterator[None]:
    """Starts all servers for a block; afterwards ends those that did not run before."""
    idle = [server for server in servers(settings) if server.process.find() is None]
    try:
        up(settings)
        yield
    finally:
        for server in reversed(idle):
            server.stop()


@contextmanager
def running(server: Server) -> Iterator[None]:
    """Starts one more server for a block; afterwards ends it unless it ran before."""
    started = server.start()
    try:
        yield
    finally:
        if started:
            server.stop()


def _alone(settings: Settings) -> AbstractContextManager[None]:
    other = f"Another command that starts or stops the servers of {settings.home}"
    return exclusive_lock(settings.home.absolute() / "run" / "lock", LOCK_PATIENCE_S, other)
