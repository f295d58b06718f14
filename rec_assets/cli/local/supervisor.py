"""Mends or restarts servers that died, fail or hang, with growing pauses. A slow server is left alone."""

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event

from rec_assets.cli.local.server import SLOW_S, Server
from rec_assets.cli.local.supervision import only_command, servers, stopped_on_purpose
from rec_assets.common.concurrency.background_thread import background_thread
from rec_assets.common.concurrency.loop import Loop
from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton.availability import SUPERVISOR
from rec_assets.settings import Settings
from rec_assets.storage.file_lock import LockHeldError

INTERVAL_S = 1.0  # between two rounds; a round sends real requests to Triton
MAX_PAUSE_S = 60.0  # between two restarts of a server that ends again and again
MENDS = 2  # in a row before a restart, because another fault may happen during the first one
STABLE_S = 60.0  # after this time without a failure, the next restart is immediate again

logger = logging.getLogger(__name__)


@dataclass
class _Care:
    """Slow answers and restarts of one server; all moments are of `time.monotonic`."""

    slow_since: float | None = None
    mends: int = 0
    does_not_start: bool = False
    restarts: int = 0
    pause_s: float = 0.0
    next_restart: float = 0.0


class Supervisor:
    """Takes care of some servers, round by round."""

    def __init__(self, settings: Settings, watched: Sequence[Server]) -> None:
        """Takes care of servers in starting order.

        Args:
            settings: settings of the home.
            watched: the servers.
        """
        self._settings, self._watched = settings, watched
        self._care = {server.name: _Care() for server in watched}

    def round(self) -> str:
        """Mends or restarts servers, all at once; returns a line about the restarts so far.

        Raises:
            ActionableError: a server does not start; a later round tries again.
        """
        if stopped_on_purpose(self._settings):
            return "servers are stopped on purpose"
        if due := [server for server in self._watched if self._is_due(server)]:
            try:
                with only_command(self._settings, patience_s=0.0), ThreadPoolExecutor(len(due)) as pool:
                    # `rec down` may have run since the first line.
                    restored = [] if stopped_on_purpose(self._settings) else pool.map(self._restore, due)
                    for problem in filter(None, list(restored)):
                        raise problem
            except LockHeldError:  # another command starts or stops servers right now
                return "waits for another command"
        counts = [f"{name} restarted {one.restarts} times" for name, one in self._care.items() if one.restarts]
        return ", ".join(counts) or "all servers answer"

    def _is_due(self, server: Server) -> bool:
        """Returns True if a server must be mended or restarted now."""
        care = self._care[server.name]
        if not (server.is_wanted or care.does_not_start):
            return False
        if self._is_broken(server):
            return time.monotonic() >= care.next_restart
        if care.slow_since is None and time.monotonic() > care.next_restart + STABLE_S:
            care.pause_s = 0.0
        return False

    def _is_broken(self, server: Server) -> bool:
        """Probes a server. Under load a healthy server may be slow, so only a server that stays slow is broken."""
        care, health, now = self._care[server.name], server.health(), time.monotonic()
        if health != "slow":
            care.slow_since = None
            care.mends = 0 if health == "well" else care.mends
            return health == "broken"
        care.slow_since = now if care.slow_since is None else care.slow_since
        return now - care.slow_since > SLOW_S

    def _restore(self, server: Server) -> ActionableError | None:
        """Mends or restarts a server; returns the problem if it does not start."""
        care = self._care[server.name]
        if server.process.find() is not None and self._mended(server):
            return None
        logger.warning("%s ended or does not answer; starting it again", server.name)
        care.pause_s = min(MAX_PAUSE_S, max(1.0, 2 * care.pause_s))
        care.restarts += 1
        try:
            server.stop()
            server.start()
        except ActionableError as error:
            care.does_not_start = True
            return error
        finally:
            care.slow_since, care.mends, care.next_restart = None, 0, time.monotonic() + care.pause_s
        care.does_not_start = False
        logger.warning("%s answers again", server.name)
        return None

    def _mended(self, server: Server) -> bool:
        """Returns whether a server needs no restart now."""
        care = self._care[server.name]
        if care.mends >= MENDS:
            return False
        care.mends += 1
        try:
            logger.warning("%s did not answer; %s", server.name, server.mend())
        except ActionableError as error:
            logger.warning("%s", error.problem)
            return not self._is_broken(server)
        server.process.started()
        return True


def supervise(settings: Settings, stop: Event, watched: Sequence[Server] | None = None) -> None:
    """Takes care of servers until `stop` is set; by default of the servers of `rec up`. No error ends it."""
    watched = servers(settings) if watched is None else watched
    Loop(SUPERVISOR, Supervisor(settings, watched).round, INTERVAL_S, settings.home, max_pause_s=INTERVAL_S).run(stop)


@contextmanager
def supervising(settings: Settings, more: Sequence[Server] = ()) -> Iterator[None]:
    """Takes care of the servers of `rec up` and of some more in a background thread until the block ends."""
    with background_thread(lambda stop: supervise(settings, stop, [*servers(settings), *more])):
        yield
