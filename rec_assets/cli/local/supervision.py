"""Starts, stops and inspects all local servers. Only one process at a time starts or stops them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rec_assets.cli.local.home import require_usable
from rec_assets.cli.local.server import LOOPBACK, Server, ServerStatus
from rec_assets.cli.local.triton import Triton
from rec_assets.cli.local.valkey import Valkey
from rec_assets.cli.local.watch import Watch
from rec_assets.cli.local.worker import Worker
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.storage.file_lock import exclusive_lock

# The servers may take this long to start.
LOCK_PATIENCE_S = 120.0


def servers(settings: Settings) -> list[Server]:
    """Returns the servers in starting order, without the supervisor."""
    return [Valkey(settings), Triton(settings), Worker(settings)]


def up(settings: Settings) -> dict[str, bool]:
    """Starts servers that do not run, waits until they answer, and starts their supervisor.

    Returns for each server whether it was started now. Servers that another command started outlive that command.

    Raises:
        ActionableError: a port is taken, a binary is missing, a server does not start, or the published models do
            not load. Servers that were started keep running.
    """
    require_usable(settings.home)
    _require_here(settings)
    with only_command(settings):
        _purpose(settings).unlink(missing_ok=True)
        return {server.name: server.start() for server in [*servers(settings), Watch(settings)]}


def down(settings: Settings) -> dict[str, bool]:
    """Ends the servers that were started below `settings.home`; returns for each whether it ran.

    No supervisor starts them again before the next `up` or `services`.
    """
    with only_command(settings):
        _purpose(settings).touch()
        return {server.name: server.stop() for server in reversed([*servers(settings), Watch(settings)])}


def status(settings: Settings) -> list[ServerStatus]:
    """Returns the current state of each server and of the supervisor."""
    return [server.status() for server in [*servers(settings), Watch(settings)]]


@contextmanager
def services(settings: Settings) -> Iterator[None]:
    """Starts all servers for a block; afterwards ends those that did not run before.

    If `up` was called meanwhile, all servers keep running.
    """
    require_usable(settings.home)
    _require_here(settings)
    idle = [server for server in servers(settings) if server.process.find() is None]
    try:
        with only_command(settings):
            _purpose(settings).unlink(missing_ok=True)
            for server in servers(settings):
                server.start()
        yield
    finally:
        if not kept(settings):
            with only_command(settings):
                for server in reversed(idle):
                    server.stop()


@contextmanager
def running(server: Server) -> Iterator[None]:
    """Starts one more server for a block; afterwards ends it unless it ran before."""
    ran = server.process.find() is not None
    try:
        server.start()
        yield
    finally:
        if not ran:
            server.stop()


def kept(settings: Settings) -> bool:
    """Returns True if `up` keeps the servers running: its supervisor runs."""
    return Watch(settings).process.find() is not None


def stopped_on_purpose(settings: Settings) -> bool:
    """Returns True after `down`, until servers are started again."""
    return _purpose(settings).exists()


@contextmanager
def only_command(settings: Settings, patience_s: float = LOCK_PATIENCE_S) -> Iterator[None]:
    """Waits until no other command starts or stops the servers of this home, and keeps others away during the block.

    Raises:
        ActionableError: the other command did not end within `patience_s` seconds.
    """
    other = f"Another command that starts or stops the servers of {settings.home}"
    with exclusive_lock(settings.home.absolute() / "run" / "lock", patience_s, other):
        yield


def _require_here(settings: Settings) -> None:
    if settings.host not in (LOOPBACK, "localhost"):
        raise ActionableError(
            f"REC_HOST={settings.host} is another machine, but local servers listen on {LOOPBACK} only.",
            "Unset REC_HOST to use local servers.",
        )


def _purpose(settings: Settings) -> Path:
    return settings.home.absolute() / "run" / "stopped"
