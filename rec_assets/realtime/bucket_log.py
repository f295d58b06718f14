"""The offline log in the bucket of the artifact store, for workers on pods, whose disks are lost with them."""

import time
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from rec_assets.common.errors import ActionableError
from rec_assets.realtime.behavior_log import SUFFIX, BehaviorLog, by_day, lines_without
from rec_assets.settings import Settings
from rec_assets.storage.s3 import Bucket, Stored

PREFIX = "behavior/"
MAX_ROWS = 20_000  # that wait to be written
_READS_AT_ONCE = 16


class LogNotWrittenError(OSError):
    """The bucket did not take the events. The events stay in the stream."""


class BucketLog(BehaviorLog):
    """Objects `<REC_ARTIFACTS>/behavior/<UTC day>/<worker>-<nanoseconds>.jsonl`, one line per event.

    `append` only collects events. `write` stores them as one object per day, at most every `REC_LOG_INTERVAL_S`
    seconds, so that a day has thousands of objects and not millions. Workers acknowledge events after `write` returned
    True.
    """

    def __init__(self, settings: Settings, worker: str = "") -> None:
        """Opens the log of the settings; `worker` is the name of the writing worker, and readers need none."""
        self._bucket = Bucket(settings.artifacts)
        self._worker, self._limits, self._interval_s = worker, settings.file_limits, settings.log_interval_s
        self._waiting: list[pl.DataFrame] = []
        self._written = -self._interval_s

    @property
    def delay_s(self) -> float:
        """Returns the longest time in seconds between `append` and `write` returning True."""
        return self._interval_s

    def append(self, events: pl.DataFrame) -> None:
        """Collects events for the next object; the columns are `SCHEMA`."""
        if events.height:
            self._waiting.append(events)

    def write(self, *, now: bool = False) -> bool:
        """Writes the collected events if it is time; returns True if none waits.

        Args:
            now: do not wait for later events.

        Raises:
            LogNotWrittenError: the bucket cannot be written. All events still wait; some may be written twice later.
        """
        is_full = sum(one.height for one in self._waiting) >= MAX_ROWS
        if self._waiting and not now and not is_full and time.monotonic() - self._written < self._interval_s:
            return False
        if self._waiting:
            name = f"{self._worker}-{time.time_ns()}{SUFFIX}"
            try:
                for day, rows in by_day(pl.concat(self._waiting)):
                    self._bucket.write(f"{PREFIX}{day}/{name}", rows.write_ndjson())
            except ActionableError as error:
                raise LogNotWrittenError(str(error)) from error
            self._written = time.monotonic()
            self._waiting.clear()
        return True

    def discard(self) -> None:
        """Forgets the collected events; they must be delivered again."""
        self._waiting.clear()

    def forget(self, users: Collection[int]) -> int:
        """Deletes all lines of some users; returns the number of deleted lines.

        Workers may write meanwhile, because they never change an object.
        """

        def rewrite(one: Stored) -> int:
            lines = (self._bucket.read(one.key) or "").encode().splitlines(keepends=True)
            kept = lines_without(lines, users)
            if not kept:
                self._bucket.delete([one.key])
            elif len(kept) < len(lines):
                self._bucket.write(one.key, b"".join(kept).decode())
            return len(lines) - len(kept)

        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            return sum(pool.map(rewrite, self._bucket.objects(PREFIX)))

    def days(self) -> list[str]:
        """Returns the days with events, sorted."""
        return self._bucket.folders(PREFIX)

    def _contents(self, day: str) -> Iterable[bytes]:
        objects = list(self._bucket.objects(f"{PREFIX}{day}/"))
        for one in objects:
            self._limits.require_size(f"{self._bucket.url}/{one.key}", one.size)

        def content(one: Stored) -> bytes:
            return (self._bucket.read(one.key) or "").encode()

        with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
            return list(pool.map(content, objects))
