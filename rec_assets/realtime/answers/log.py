"""The log of answers: workers append to it, and a daily asset and `rec explain` read it."""

import math
import re
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from io import BytesIO

import numpy as np
import polars as pl

from rec_assets.common.file_limits import FileLimits
from rec_assets.realtime.answers.ids import day_of, milliseconds_of
from rec_assets.realtime.answers.schema import INPUTS, LISTS, SCHEMA
from rec_assets.realtime.log.waiting_rows import WaitingRows
from rec_assets.settings import Settings
from rec_assets.storage.day_files import READS_AT_ONCE, DayFiles, open_day_files, read_all

FOLDER = "answers"
SUFFIX = ".parquet"
INTERVAL_S = 10.0  # between two files of a worker
FILES_OF_A_SAMPLE = 20  # so that a sample has answers of many times
CLOCKS_DIFFER_MS = 60_000  # those of servers and workers, at most


class AnswerLog:
    """Files `answers/<UTC day>/<worker>-<nanoseconds>.parquet` in the home, or in the bucket of the artifact store.

    No file is changed, except to delete a person. Readers return an answer once, even if it was delivered twice.
    """

    def __init__(
        self, files: DayFiles, worker: str = "", limits: FileLimits | None = None, interval_s: float = INTERVAL_S
    ) -> None:
        """Opens a log.

        Args:
            files: the files of the log.
            worker: name of the writing worker; readers need none.
            limits: largest size of a file to read.
            interval_s: seconds between two writes; answers of this time share a file.
        """
        self._files = files
        self._worker = worker
        self._limits = limits or FileLimits()
        self._waiting = WaitingRows(interval_s)
        self.delay_s = interval_s

    @classmethod
    def of(cls, settings: Settings, worker: str = "", interval_s: float = INTERVAL_S) -> "AnswerLog":
        """Opens the log of the settings; raises ActionableError if `artifacts` is an invalid bucket URL."""
        return cls(open_day_files(settings, FOLDER), worker, settings.file_limits, interval_s)

    def append(self, answers: pl.DataFrame) -> None:
        """Collects answers for the next file; the columns are `SCHEMA`."""
        self._waiting.append(answers.select(*SCHEMA))

    def write(self, *, now: bool = False) -> bool:
        """Writes the collected answers if it is time; returns True if none waits.

        Args:
            now: do not wait for later answers.

        Raises:
            OSError: the disk or the bucket cannot be written. All answers still wait.
        """
        answers = self._waiting.due(now=now)
        if answers is None:
            return False
        if answers.height:
            name = f"{self._worker}-{time.time_ns()}{SUFFIX}"
            days = answers.with_columns(day=pl.from_epoch("at", "ms").dt.date().cast(pl.String))
            for (day,), rows in days.partition_by("day", as_dict=True, include_key=False).items():
                self._files.write(str(day), name, _parquet(rows.sort("answer_id")))
        self._waiting.written()
        return True

    def discard(self) -> None:
        """Forgets the collected answers; they must be delivered again."""
        self._waiting.clear()

    def days(self) -> list[str]:
        """Returns the days with answers, sorted."""
        return self._files.days()

    def read(
        self, day: date | str, *, inputs: bool = False, of_inputs: Callable[[pl.DataFrame], pl.DataFrame] | None = None
    ) -> pl.DataFrame:
        """Returns the answers of a UTC day, sorted by time and id; the columns are `LISTS`.

        Args:
            day: the day of the answers' ids, which is the day of `at`.
            inputs: adds the column `INPUTS`.
            of_inputs: adds columns that it computes from rows of `SCHEMA`, file by file: the inputs of a day are large.

        Raises:
            ActionableError: a file is too large to read.
        """
        wanted = list(SCHEMA if inputs or of_inputs else LISTS)
        frames, none = [], _parquet(pl.DataFrame(schema=SCHEMA))
        for content in [none, *filter(None, read_all(self._files, str(day), self._limits))]:
            self._limits.require_parquet(f"A file of the answers of {day}", BytesIO(content))
            rows = pl.read_parquet(BytesIO(content), columns=wanted)
            if of_inputs:
                rows = rows.hstack(of_inputs(rows))
            frames.append(rows if inputs or not of_inputs else rows.drop(INPUTS))
        return pl.concat(frames).unique("answer_id", keep="first").sort("at", "answer_id")

    def sample(self, days: Sequence[str], most: int, seed: int) -> pl.DataFrame:
        """Returns at most `most` answers of some days with their inputs, from files in random order; sorted by id.

        They are of at least `FILES_OF_A_SAMPLE` files if there are as many. Reads no more files than needed.
        """
        random = np.random.default_rng(seed)
        files = [(day, name) for day in days for name, _ in self._files.names(day)]
        found, missing = [pl.DataFrame(schema=SCHEMA)], most
        of_a_file = math.ceil(most / max(1, min(FILES_OF_A_SAMPLE, len(files))))
        for position in random.permutation(len(files)).tolist():
            content = self._files.read(*files[position])
            if content is None:
                continue
            self._limits.require_parquet(f"A file of the answers of {files[position][0]}", BytesIO(content))
            rows = pl.read_parquet(BytesIO(content), columns=list(SCHEMA))
            count = min(missing, rows.height, of_a_file)
            found.append(rows.sample(count, seed=seed))
            missing -= count
            if not missing:
                break
        return pl.concat(found).unique("answer_id", keep="first").sort("answer_id")

    def find(self, answer_id: str) -> pl.DataFrame:
        """Returns the answer with this id, with its inputs: one row of `SCHEMA`, or none."""
        at = milliseconds_of(answer_id)
        # A file holds answers from before its name's time, and the first such files are the likely ones.
        names = [(_written(name), name) for name, _ in self._files.names(day_of(at))]
        later = [(written, name) for written, name in names if written >= at - CLOCKS_DIFFER_MS]
        for _, name in sorted(later):
            content = self._files.read(day_of(at), name)
            rows = pl.scan_parquet(BytesIO(content or _parquet(pl.DataFrame(schema=SCHEMA))))
            found = rows.filter(answer_id=answer_id).select(*SCHEMA).collect()
            if found.height:
                return found.head(1)
        return pl.DataFrame(schema=SCHEMA)

    def of_user(self, user_id: int) -> pl.DataFrame:
        """Returns the answers for a user of all days; the columns are `LISTS`."""
        found = [self.read(day).filter(user_id=user_id) for day in self.days()]
        return pl.concat([pl.DataFrame(schema=LISTS), *found])

    def forget(self, users: Collection[int]) -> int:
        """Deletes the answers for some users; returns the number of deleted answers. Workers may write meanwhile."""

        def rewrite(day: str, name: str) -> int:
            content = self._files.read(day, name)
            if content is None:
                return 0
            owners = pl.read_parquet(BytesIO(content), columns=["user_id"])["user_id"]
            deleted = int(owners.is_in(list(users)).sum())
            if deleted == len(owners):
                self._files.delete(day, [name])
            elif deleted:
                rows = pl.read_parquet(BytesIO(content))
                self._files.write(day, name, _parquet(rows.filter(~pl.col("user_id").is_in(list(users)))))
            return deleted

        files = [(day, name) for day in self.days() for name, _ in self._files.names(day)]
        with ThreadPoolExecutor(READS_AT_ONCE) as pool:
            return sum(pool.map(rewrite, *zip(*files, strict=True))) if files else 0

    def expire(self, oldest: str) -> list[str]:
        """Deletes all days before the day `oldest`; returns the deleted days."""
        expired = [day for day in self.days() if day < oldest]
        for day in expired:
            self._files.delete(day, [name for name, _ in self._files.names(day)])
        return expired


def _parquet(rows: pl.DataFrame) -> bytes:
    made = BytesIO()
    rows.rechunk().write_parquet(made)
    return made.getvalue()


def _written(name: str) -> int:
    """Returns the unix time in milliseconds at which a file was named; 0 for another file."""
    found = re.search(r"-(\d+)\.parquet$", name)
    return int(found[1]) // 1_000_000 if found else 0
