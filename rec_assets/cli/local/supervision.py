"""`up`, `down` and `status` of all local servers, one caller at a time."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

from rec_assets.cli.local.server import LOOPBACK, Server, ServerStatus
from rec_assets.cli.local.triton import Triton
from rec_assets.cli.local.valkey import Valkey
from rec_assets.cli.local.worker import Worker
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.storage.file_lock import exclusive_lock

# As long as the servers may take to start.
LOCK_PATIENCE_S = 120.0


def servers(settings: Settings) -> list[Server]:
    """Returns the servers in starting order."""
    return [Valkey(settings), Triton(settings), Worker(settings)]


def up(settings: Settings) -> dict[str, bool]:
    """Starts what does not run yet and waits until it answers; returns for each server whether it was started now.

    Raises:
        ActionableError: a port is taken, a binary is missing, a server does not start, or the published models do
            not load. Servers that did start keep running.
    """
    if settings.host not in (LOOPBACK, "localhost"):
        raise ActionableError(
            f"REC_HOST={settings.host} names another machine, and local servers listen on {LOOPBACK} only.",
            "Unset REC_HOST to use local servers.",
        )
    with _alone(settings):
        return {server.name: server.start() for server in servers(settings)}


def down(settings: Settings) -> dict[str, bool]:
    """Ends the servers that were started below `settings.home`; returns for each whether it ran."""
    with _alone(settings):
        return {server.name: server.stop() for server in reversed(servers(settings))}


def status(settings: Settings) -> list[ServerStatus]:
    """Returns what each server does now."""
    return [server.status() for server in servers(settings)]


@contextmanager
def services(settings: Settings) -> Iterator[None]:
    """Runs a block with all servers up; afterwards ends those that did not run before."""
    idle = [server for server in servers(settings) if server.process.find() is None]
    try:
        up(settings)
        yield
    finally:
        for server in reversed(idle):
            server.stop()


@contextmanager
def running(server: Server) -> Iterator[None]:
    """Runs a block with one more server up; afterwards ends it, unless it ran before."""
    started = server.start()
    try:
        yield
    finally:
        if started:
            server.stop()


def _alone(settings: Settings) -> AbstractContextManager[None]:
    other = f"Another command that starts or ends the servers of {settings.home}"
    return exclusive_lock(settings.home.absolute() / "run" / "lock", LOCK_PATIENCE_S, other)
