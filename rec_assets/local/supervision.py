"""`up`, `down` and `status` of all local servers, one caller at a time."""

from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from rec_assets.errors import ActionableError
from rec_assets.local.server import LOOPBACK, Server, ServerStatus
from rec_assets.local.triton import Triton
from rec_assets.local.valkey import Valkey
from rec_assets.local.worker import Worker
from rec_assets.settings import Settings

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
    with _one_at_a_time(settings):
        return {server.name: server.start() for server in servers(settings)}


def down(settings: Settings) -> dict[str, bool]:
    """Ends the servers that were started below `settings.home`; returns for each whether it ran."""
    with _one_at_a_time(settings):
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


@contextmanager
def _one_at_a_time(settings: Settings) -> Iterator[None]:
    run = settings.home.absolute() / "run"
    run.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(run / "lock", timeout=LOCK_PATIENCE_S):
            yield
    except Timeout as error:
        raise ActionableError(
            f"Another command has been starting or ending the servers of {settings.home} for {LOCK_PATIENCE_S:.0f} s.",
            "Wait for it to end, or end it, and try again.",
        ) from error
