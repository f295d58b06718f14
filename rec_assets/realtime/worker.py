"""Takes events from the stream and applies each at least once, whatever fails meanwhile. Also runs the answer drain.

An event is acknowledged after it is applied and the offline log has stored it. Until then it is delivered again.
"""

import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import redis

from rec_assets.common.concurrency.background_thread import background_thread
from rec_assets.common.concurrency.loop import Loop
from rec_assets.common.traces import tracing
from rec_assets.realtime.answers.drain import AnswerDrain
from rec_assets.realtime.apply_events import Received, Updates
from rec_assets.realtime.consumer import Consumer
from rec_assets.realtime.events import EventError
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.work_stream import Entry
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import OUTAGES

TRACED_AS = "rec-worker"  # the name of this process in traces
WAIT_MS = 1000
PAUSE_S = 0.5
PROGRESS_EVERY_S = 1.0
LONGEST_S = 600.0  # of a round with events that fail
RETRY_AFTER_S = (0.1, 0.5)  # pauses before the attempts to apply a failed entry again
# Words in errors that concern Valkey's state; other errors concern the event.
SERVER_ERRORS = ("NOGROUP", "OOM", "MISCONF", "READONLY", "LOADING", "NOREPLICAS", "unknown command")

logger = logging.getLogger(__name__)


def alive_file(settings: Settings) -> Path:
    """Returns the file that the workers of this home touch about once a second; an old file reveals a hung worker."""
    return settings.home / "worker.alive"


class UnprocessableEvents(Exception):
    """Entries that failed although all servers answered."""


class Worker:
    """One consumer of the stream; any number may run, in one process or several."""

    def __init__(self, settings: Settings, name: str | None = None, idle_ms: int = 10_000) -> None:
        """Connects to the stream at first use.

        Args:
            settings: addresses of the servers, and the home of the log.
            name: unique name of the worker; random if None.
            idle_ms: age in milliseconds after which this worker claims another worker's entry.
        """
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        self._settings = settings
        self._stream = EventStream.connect(settings)
        self._updates = Updates(settings, self._stream, self.name)
        self._consumer = Consumer(settings, self._stream, self.name, idle_ms + int(2000 * self._updates.log.delay_s))
        self._answers = AnswerDrain(settings, self.name, idle_ms)
        self._applied: list[Entry] = []  # and not yet acknowledged, because the log has not stored them
        self._alive = alive_file(settings)
        self._alive.parent.mkdir(parents=True, exist_ok=True)
        self._shown = 0.0

    def run(self, stop: threading.Event) -> None:
        """Applies events until `stop` is set; no error ends it. Events that cannot be applied now wait."""
        # Rounds wait for events themselves.
        loop = Loop("worker", self._round_or_resume, 0.0, self._alive.parent, PAUSE_S, LONGEST_S)
        with background_thread(self._answers.run):  # so that no event waits for a file of answers
            loop.run(stop)
        with suppress(redis.RedisError, OSError):  # then another worker applies them again
            self._acknowledge(now=True)

    def _round_or_resume(self) -> None:
        with suppress(OSError):  # a full disk
            self._alive.touch()
        try:
            self.round()
        except Exception:
            self._consumer.resumes = True
            self._applied.clear()
            self._updates.log.discard()
            raise

    def round(self, wait_ms: int = WAIT_MS) -> int:
        """Takes entries and applies them.

        Returns:
            Number of entries.

        Raises:
            redis.RedisError, OSError: the entries could not be applied now, and stay in the stream.
            ActionableError: Valkey belongs to another home.
        """
        entries = self._consumer.take(wait_ms)
        if entries:
            self._apply(entries)
        self._acknowledge()
        return len(entries)

    def _apply(self, entries: Sequence[Entry]) -> None:
        """Applies entries together; if this fails, applies each half, which isolates the failing entries."""
        try:
            self._attempt(entries)
        except UnprocessableEvents as error:
            if len(entries) == 1:
                return self._retry(entries[0], error)
            half = len(entries) // 2
            for part in (entries[:half], entries[half:]):
                self._apply(part)
                self._progress()

    def _retry(self, entry: Entry, error: UnprocessableEvents) -> None:
        """Retries an entry, because the failure may be temporary; then sends the entry to the dead letters."""
        for pause in RETRY_AFTER_S:
            time.sleep(pause)
            self._progress()
            try:
                return self._attempt([entry])
            except UnprocessableEvents as another:
                error = another
        logger.warning("Entry %s cannot be applied: %s", entry.id, error)
        self._stream.send_to_dead_letter(entry, str(error))

    def _attempt(self, entries: Sequence[Entry]) -> None:
        """Applies and acknowledges entries; raises UnprocessableEvents if one of them may be the cause."""
        try:
            with tracing.new_trace("apply events", {"rec.events": len(entries)}):
                self._updates.apply(self._parse(entries), self._progress)
            self._applied.extend(entries)
            self._acknowledge()
        except Exception as error:  # an event that fails in any way must not block the others
            if _is_outage(error):
                raise
            raise UnprocessableEvents(f"{type(error).__name__}: {error}") from error

    def _acknowledge(self, *, now: bool = False) -> None:
        """Acknowledges applied entries once the log has stored them; while it resumes, at once."""
        if self._applied and self._updates.log.write(now=now or self._consumer.resumes):
            self._stream.done(self._applied)
            self._applied.clear()

    def _progress(self) -> None:
        """Shows the supervisor and `rec status` about once a second that a long round goes on."""
        if time.monotonic() - self._shown > PROGRESS_EVERY_S:
            self._shown = time.monotonic()
            with suppress(OSError):  # a full disk must not stop the round
                self._alive.touch()
            self._stream.show_alive(self.name)

    def _parse(self, entries: Sequence[Entry]) -> list[Received]:
        now, events = self._stream.now(), []
        for entry in entries:
            try:
                if entry.fields:  # an entry that was deleted from the stream has none
                    events.append(Received.of(entry, now))
            except EventError as error:
                logger.warning("Entry %s is not a valid event: %s", entry.id, error)
                self._stream.send_to_dead_letter(entry, str(error))
        return events


def _is_outage(error: Exception) -> bool:
    if isinstance(error, redis.ResponseError):
        return any(word in str(error) for word in SERVER_ERRORS)
    return isinstance(error, (redis.RedisError, *OUTAGES, OSError))
