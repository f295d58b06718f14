"""Takes events out of the stream and has them applied, each at least once, whatever happens meanwhile."""

import logging
import os
import random
import socket
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import redis

from rec_assets.realtime.apply_events import Received, Updates
from rec_assets.realtime.events import EventError
from rec_assets.realtime.stream import Entry, EventStream
from rec_assets.settings import Settings

BATCH = 500
WAIT_MS = 1000
CLAIM_EVERY_S = 1.0
TIDY_EVERY_S = 60.0
PAUSE_S = 0.5
PATIENCE_S = (0.1, 0.5)  # between attempts to apply what failed
# What Valkey says when it cannot do now what it could do a moment before; other errors are about the event.
UNABLE = ("NOGROUP", "OOM", "MISCONF", "READONLY", "LOADING", "NOREPLICAS", "unknown command")

logger = logging.getLogger(__name__)


def alive_file(settings: Settings) -> Path:
    """Returns what the workers of this home touch every second or so: one that hangs can be told by its age."""
    return settings.home / "worker.alive"


class UnprocessableEvents(Exception):
    """Entries that were not applied, and not for want of a server."""


class Worker:
    """One consumer of the stream; any number may run, in one process or many."""

    def __init__(self, settings: Settings, name: str | None = None, idle_ms: int = 10_000) -> None:
        """Takes a name that no other worker has, and after how long an entry of another counts as left behind."""
        self.name = name or f"{socket.gethostname()}-{os.getpid()}-{random.randrange(16**6):06x}"
        self._idle_ms = idle_ms
        self._stream = EventStream.connect(settings)
        self._updates = Updates(settings, self._stream, self.name)
        self._alive = alive_file(settings)
        self._alive.parent.mkdir(parents=True, exist_ok=True)
        self._resumes = True
        self._claimed = self._tidied = 0.0

    def run(self, stop: threading.Event) -> None:
        """Applies events until told to stop; lives through any absence of Valkey, and a full disk."""
        away = False
        while not stop.is_set():
            try:
                self._alive.touch()
                self.round()
                if away:
                    logger.warning("The stream is back")
                away = False
            except (redis.RedisError, OSError) as error:
                if not away:
                    logger.warning("Events wait: %s: %s", type(error).__name__, error)
                away, self._resumes = True, True
                stop.wait(PAUSE_S)

    def round(self, wait_ms: int = WAIT_MS) -> int:
        """Takes entries, its own unfinished ones first, then those of the dead, then new ones, and applies them.

        Returns how many there were.

        Raises:
            redis.RedisError, OSError: they could not be applied now; they are still there.
        """
        entries = self._take(wait_ms)
        if entries:
            self._apply(entries)
        return len(entries)

    def _take(self, wait_ms: int) -> list[Entry]:
        if self._resumes:
            self._stream.open()
            if entries := self._stream.taken_by(self.name, BATCH):
                return entries
            self._resumes = False
        now = time.monotonic()
        if now - self._tidied > TIDY_EVERY_S:
            self._stream.tidy()
            self._tidied = now
        if now - self._claimed > CLAIM_EVERY_S:
            if entries := self._stream.claim_stale(self.name, self._idle_ms, BATCH):
                logger.warning("%d events were left by a worker that went silent", len(entries))
                return entries
            self._claimed = now
        return self._stream.take(self.name, BATCH, wait_ms)

    def _apply(self, entries: Sequence[Entry]) -> None:
        """Applies entries together or, where that fails, each alone, so that one that cannot be applied is found."""
        try:
            self._attempt(entries)
        except UnprocessableEvents as error:
            for entry in entries if len(entries) > 1 else ():
                self._apply([entry])
            if len(entries) == 1:
                self._insist(entries[0], error)

    def _insist(self, entry: Entry, error: UnprocessableEvents) -> None:
        """Tries an entry again, for it may have met someone else's trouble, and gives it up in the end."""
        for pause in PATIENCE_S:
            time.sleep(pause)
            try:
                return self._attempt([entry])
            except UnprocessableEvents as another:
                error = another
        logger.warning("Entry %s cannot be applied: %s", entry.id, error)
        self._stream.send_to_dead_letter(entry, str(error))

    def _attempt(self, entries: Sequence[Entry]) -> None:
        """Applies entries and acknowledges them; raises UnprocessableEvents where the reason may be one of them."""
        try:
            self._updates.apply(self._readable(entries))
            self._stream.done(entries)
        except Exception as error:  # whatever an event can provoke, the others must get through
            if _is_outage(error):
                raise
            raise UnprocessableEvents(f"{type(error).__name__}: {error}") from error

    def _readable(self, entries: Sequence[Entry]) -> list[Received]:
        events = []
        for entry in entries:
            try:
                if entry.fields:  # else it was taken out of the stream
                    events.append(Received.of(entry))
            except EventError as error:
                logger.warning("Entry %s is no event: %s", entry.id, error)
                self._stream.send_to_dead_letter(entry, str(error))
        return events


def _is_outage(error: Exception) -> bool:
    if isinstance(error, redis.ResponseError):
        return any(word in str(error) for word in UNABLE)
    return isinstance(error, (redis.RedisError, OSError))
