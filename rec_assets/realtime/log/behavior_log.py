"""The offline log of events: workers append to it, and the asset `behavioral_updates` reads one day of it.

Contains the log in files. The log in a bucket is a subclass (`rec_assets.realtime.log.bucket_log`).
"""

import fcntl
import json
import os
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import BinaryIO

import polars as pl

from rec_assets.common.file_limits import FileLimits
from rec_assets.common.files import write_atomically
from rec_assets.settings import Settings

SCHEMA = {
    "user_id": pl.Int32,
    "item_id": pl.Int32,
    "device_type": pl.Int32,
    "timestamp": pl.Int64,
    "kind": pl.String,
    "top_category": pl.Int32,
}
SUFFIX = ".jsonl"


def day_of(at: int) -> str:
    """Returns the UTC day of a unix time as a partition key."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


class BehaviorLog:
    """Append-only files `<home>/behavior/<UTC day>/<worker>.jsonl`, one line per event, synced to disk by `append`.

    Each worker writes its own files. Readers skip a line that a crash cut off, because its event is delivered again.
    Readers return an event once, even if it was delivered twice.
    """

    def __init__(self, folder: Path, worker: str = "", limits: FileLimits | None = None) -> None:
        """Opens a log.

        Args:
            folder: root folder of the log.
            worker: name of the writing worker; readers need none.
            limits: largest size of a file to read.
        """
        self._folder = folder
        self._worker = worker
        self._limits = limits or FileLimits()

    @classmethod
    def of(cls, settings: Settings, worker: str = "") -> "BehaviorLog":
        """Returns the log below the settings' home; see also `rec_assets.realtime.log.open_log`."""
        home = settings.home.absolute()
        folder, old = home / "behavior", home / "behaviour"  # the spelling of release 0.1
        if old.is_dir() and not folder.exists():
            old.rename(folder)
        return cls(folder, worker, settings.file_limits)

    def append(self, events: pl.DataFrame) -> None:
        """Appends events to the files of their days; the columns are `SCHEMA`."""
        for day, rows in by_day(events):
            file = self._folder / day / f"{self._worker}{SUFFIX}"
            file.parent.mkdir(parents=True, exist_ok=True)
            # Not through a link: the file could lie outside the log.
            with _locked(file) as stream:
                stream.write(b"" if _ends_a_line(file) else b"\n")
                stream.write(rows.write_ndjson().encode())
                stream.flush()
                os.fsync(stream.fileno())

    @property
    def delay_s(self) -> float:
        """Returns the longest time in seconds between `append` and `write` returning True; 0 for files."""
        return 0.0

    def write(self, *, now: bool = False) -> bool:
        """Returns True if all appended events are stored durably, as files always are.

        Args:
            now: write events that wait to be written with later ones.
        """
        return True

    def discard(self) -> None:
        """Forgets appended events that are not written; they must be delivered again."""

    def forget(self, users: Collection[int]) -> int:
        """Deletes all lines of some users, and lines that a crash cut off; returns the number of deleted lines.

        Workers may append meanwhile.
        """
        deleted = 0
        for file in sorted(self._folder.glob(f"*/*{SUFFIX}")):
            with _locked(file) as stream:
                stream.seek(0)
                lines = stream.readlines()
                kept = lines_without(lines, users)
                if len(kept) < len(lines):
                    with write_atomically(file) as draft:
                        draft.write_bytes(b"".join(kept))
            deleted += len(lines) - len(kept)
        return deleted

    def days(self) -> list[str]:
        """Returns the days with events, sorted."""
        return sorted(folder.name for folder in self._folder.glob("*") if any(folder.glob(f"*{SUFFIX}")))

    def read(self, day: date | str) -> pl.DataFrame:
        """Returns the events of a day, sorted by time, user and item; of duplicates, the first stays.

        A purchase stays before a click of the same second, because it says more.

        Raises:
            ActionableError: a file is too large to read.
        """
        frames = [parsed(lines) for lines in self._contents(str(day)) if lines]
        events = pl.concat(frames or [pl.DataFrame(schema=SCHEMA)]).drop_nulls()
        ordered = events.sort(pl.col("kind") != "bought", maintain_order=True)
        return ordered.unique(["timestamp", "user_id", "item_id"], keep="first", maintain_order=True).sort(
            "timestamp", "user_id", "item_id"
        )

    def _contents(self, day: str) -> Iterable[bytes]:
        files = sorted((self._folder / day).glob(f"*{SUFFIX}"))
        for file in files:
            self._limits.require_size(str(file), file.stat().st_size)
        return [file.read_bytes() for file in files]


def by_day(events: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yields each UTC day with its events, which have the columns of `SCHEMA`."""
    days = events.select(*SCHEMA).with_columns(day=pl.from_epoch("timestamp").dt.date().cast(pl.String))
    for (day,), rows in days.partition_by("day", as_dict=True, include_key=False).items():
        yield str(day), rows


@contextmanager
def _locked(file: Path) -> Iterator[BinaryIO]:
    """Opens a file of the log for reading and appending, and keeps other writers away during the block."""
    while True:
        # Not through a link: the file could lie outside the log.
        descriptor = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "a+b") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            # Another writer may have replaced the file before the lock was free.
            if file.exists() and file.stat().st_ino == os.fstat(descriptor).st_ino:
                yield stream
                return


def lines_without(lines: Iterable[bytes], users: Collection[int]) -> list[bytes]:
    """Returns the whole lines of a file of the log that belong to other users."""

    def user_of(line: bytes) -> int | None:
        try:
            return int(json.loads(line)["user_id"])
        except (ValueError, KeyError, TypeError):
            return None

    return [line for line in lines if (user := user_of(line)) is not None and user not in users]


def parsed(content: bytes) -> pl.DataFrame:
    """Reads the complete lines of a file of the log."""
    lines = content.split(b"\n")
    whole = b"\n".join(line for line in lines if line.startswith(b"{") and line.endswith(b"}"))
    return pl.read_ndjson(whole, schema=SCHEMA) if whole else pl.DataFrame(schema=SCHEMA)


def _ends_a_line(file: Path) -> bool:
    size = file.stat().st_size
    if not size:
        return True
    with file.open("rb") as stream:
        stream.seek(size - 1)
        return stream.read(1) == b"\n"
