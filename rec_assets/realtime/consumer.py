"""One consumer of a stream: the order in which it takes entries. Does not apply them."""

import logging
import time
from collections.abc import Sequence

from rec_assets.realtime.work_stream import Entry, WorkStream
from rec_assets.settings import Settings
from rec_assets.storage.valkey.move_keys import move_old_keys
from rec_assets.storage.valkey.own_server import require_own_valkey

BATCH = 2_000  # a larger one costs less for each event, and a smaller one is taken when fewer events wait
CLAIM_EVERY_S = 1.0
TRIM_EVERY_S = 60.0

logger = logging.getLogger(__name__)


class Consumer:
    """Takes entries of a stream: first its own unfinished ones, then stale ones of others, then new ones."""

    def __init__(self, settings: Settings, stream: WorkStream, name: str, idle_ms: int) -> None:
        """Creates a consumer that first resumes.

        Args:
            settings: name the home that Valkey must belong to.
            stream: the stream.
            name: unique name of the consumer.
            idle_ms: age in milliseconds after which it claims another consumer's entry.
        """
        self.resumes = True  # takes its unfinished entries again
        self._settings, self._stream, self._name, self._idle_ms = settings, stream, name, idle_ms
        self._claimed = self._trimmed = 0.0

    def take(self, wait_ms: int | None) -> Sequence[Entry]:
        """Returns the next entries, none after `wait_ms` milliseconds without one; None does not wait.

        Raises:
            redis.RedisError: Valkey does not answer.
            ActionableError: Valkey belongs to another home.
        """
        if self.resumes:
            require_own_valkey(self._settings)
            move_old_keys(self._settings)
            self._stream.open()
            if entries := self._stream.taken_by(self._name, BATCH):
                return entries
            self.resumes = False
        now = time.monotonic()
        if now - self._trimmed > TRIM_EVERY_S:
            self._stream.trim()
            self._trimmed = now
        if now - self._claimed > CLAIM_EVERY_S:
            if entries := self._stream.claim_stale(self._name, self._idle_ms, BATCH):
                logger.warning("Claimed %d %s of a worker that stopped reading", len(entries), self._stream.KEY)
                return entries
            self._claimed = now
        return self._stream.take(self._name, BATCH, wait_ms)
