"""Moves answers from the stream to the log, each at least once. A reader of the log sees each answer once."""

import logging
import math
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import redis

from rec_assets.common.concurrency.loop import Loop
from rec_assets.realtime.answers.entries import answers_in
from rec_assets.realtime.answers.log import INTERVAL_S, AnswerLog
from rec_assets.realtime.answers.stream import AnswerStream
from rec_assets.realtime.consumer import Consumer
from rec_assets.realtime.stores.retired_users import RetiredUsers
from rec_assets.realtime.work_stream import Entry
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect

EVERY_S = 1.0  # a round for each answer would take a third of a core at 150 answers a second
PAUSE_S = 0.5
EXPIRE_EVERY_S = 3_600.0

logger = logging.getLogger(__name__)


class AnswerDrain:
    """One writer of the log; any number may run. Entries stay in the stream until their file is written."""

    def __init__(self, settings: Settings, name: str, idle_ms: int = 10_000, interval_s: float | None = None) -> None:
        """Connects to the stream at first use.

        Args:
            settings: addresses of the servers, the home or bucket of the log, and the days that it keeps.
            name: unique name of the writer.
            idle_ms: age in milliseconds, beyond the log's interval, at which it claims another writer's entry.
            interval_s: seconds between two files; by default those of the log.
        """
        self._settings = settings
        self._stream = AnswerStream.connect(settings)
        self._log = AnswerLog.of(settings, name, INTERVAL_S if interval_s is None else interval_s)
        self._retired = RetiredUsers(connect(settings))
        self._consumer = Consumer(settings, self._stream, name, idle_ms + int(2000 * self._log.delay_s))
        self._appended: list[Entry] = []  # whose file is not written
        self._expired = -math.inf

    def run(self, stop: threading.Event) -> None:
        """Writes answers until `stop` is set; no error ends it."""
        loop = Loop("answers", self._round_or_resume, EVERY_S, self._settings.home, PAUSE_S)
        loop.run(stop)
        with suppress(redis.RedisError, OSError):  # then another writer takes them
            self._finish(now=True)

    def _round_or_resume(self) -> None:
        try:
            self.round()
        except Exception:
            self._consumer.resumes = True
            self._appended.clear()
            self._log.discard()
            raise

    def round(self) -> int:
        """Takes all answers of the stream, and writes a file if it is time; returns the number of taken entries.

        Raises:
            redis.RedisError, OSError: the answers could not be written now, and stay in the stream.
            ActionableError: Valkey belongs to another home.
        """
        taken = 0
        while entries := self._consumer.take(None):
            answers = answers_in(entries)
            retired = self._retired.among(answers["user_id"].to_list())
            self._log.append(answers.filter(~answers["user_id"].is_in(list(retired))))
            self._appended.extend(Entry(entry.id, {}) for entry in entries)
            taken += len(entries)
            self._finish()
        self._finish()
        self._expire()
        return taken

    def _finish(self, *, now: bool = False) -> None:
        """Deletes entries from the stream once the log has stored them; while it resumes, at once."""
        if self._appended and self._log.write(now=now or self._consumer.resumes):
            self._stream.delete(self._appended)
            self._appended.clear()

    def _expire(self) -> None:
        if not self._settings.answer_days or time.monotonic() - self._expired < EXPIRE_EVERY_S:
            return
        self._expired = time.monotonic()
        oldest = datetime.now(UTC).date() - timedelta(days=self._settings.answer_days - 1)
        if expired := self._log.expire(oldest.isoformat()):
            logger.info("Deleted the answers of %s", ", ".join(expired))
