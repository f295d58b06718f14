"""The offline log in the bucket of the artifact store, for workers on pods, whose disks are lost with them."""

import time
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor

import polars as pl

from rec_assets.realtime.behavior_log import SUFFIX, BehaviorLog, by_day, lines_without
from rec_assets.realtime.waiting_rows import WaitingRows
from rec_assets.settings import Settings
from rec_assets.storage.day_files import READS_AT_ONCE, BucketFiles, read_all

FOLDER = "behavior"


class BucketLog(BehaviorLog):
    """Objects `<REC_ARTIFACTS>/behavior/<UTC day>/<worker>-<nanoseconds>.jsonl`, one line per event.

    `append` only collects events. `write` stores them as one object per day, at most every `REC_LOG_INTERVAL_S`
    seconds. Workers acknowledge events after `write` returned True.
    """

    def __init__(self, settings: Settings, worker: str = "") -> None:
        """Opens the log of the settings; `worker` is the name of the writing worker, and readers need none."""
        self._files = BucketFiles(settings.artifacts, FOLDER)
        self._worker, self._limits, self._interval_s = worker, settings.file_limits, settings.log_interval_s
        self._waiting = WaitingRows(self._interval_s)

    @property
    def delay_s(self) -> float:
        """Returns the longest time in seconds between `append` and `write` returning True."""
        return self._interval_s

    def append(self, events: pl.DataFrame) -> None:
        """Collects events for the next object; the columns are `SCHEMA`."""
        self._waiting.append(events)

    def write(self, *, now: bool = False) -> bool:
        """Writes the collected events if it is time; returns True if none waits.

        Args:
            now: do not wait for later events.

        Raises:
            OSError: the bucket cannot be written. All events still wait; some may be written twice later.
        """
        events = self._waiting.due(now=now)
        if events is None:
            return False
        if events.height:
            name = f"{self._worker}-{time.time_ns()}{SUFFIX}"
            for day, rows in by_day(events):
                self._files.write(day, name, rows.write_ndjson().encode())
        self._waiting.written()
        return True

    def discard(self) -> None:
        """Forgets the collected events; they must be delivered again."""
        self._waiting.clear()

    def forget(self, users: Collection[int]) -> int:
        """Deletes all lines of some users; returns the number of deleted lines.

        Workers may write meanwhile, because they never change an object.
        """

        def rewrite(day: str, name: str) -> int:
            lines = (self._files.read(day, name) or b"").splitlines(keepends=True)
            kept = lines_without(lines, users)
            if not kept:
                self._files.delete(day, [name])
            elif len(kept) < len(lines):
                self._files.write(day, name, b"".join(kept))
            return len(lines) - len(kept)

        files = [(day, name) for day in self._files.days() for name, _ in self._files.names(day)]
        with ThreadPoolExecutor(READS_AT_ONCE) as pool:
            return sum(pool.map(rewrite, *zip(*files, strict=True))) if files else 0

    def days(self) -> list[str]:
        """Returns the days with events, sorted."""
        return self._files.days()

    def _contents(self, day: str) -> Iterable[bytes]:
        return read_all(self._files, day, self._limits)
