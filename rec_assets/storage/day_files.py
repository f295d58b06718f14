"""Immutable files by day, in a folder or below a prefix of a bucket. Does not interpret their content."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from rec_assets.common.errors import ActionableError
from rec_assets.common.file_limits import FileLimits
from rec_assets.common.files import DRAFT_PREFIX, write_atomically
from rec_assets.settings import Settings

READS_AT_ONCE = 16


class DayFiles(Protocol):
    """Files with the path `<day>/<name>`. A reader sees a file as a whole or not at all."""

    def path(self, day: str, name: str) -> str:
        """Returns the path or URL of a file, for messages."""
        ...

    def days(self) -> list[str]:
        """Returns the days with files, sorted."""
        ...

    def names(self, day: str) -> list[tuple[str, int]]:
        """Returns name and size in bytes of the files of a day, sorted by name."""
        ...

    def read(self, day: str, name: str) -> bytes | None:
        """Returns the content of a file, or None if it does not exist."""
        ...

    def write(self, day: str, name: str, content: bytes) -> None:
        """Writes a file, or replaces it; raises OSError."""
        ...

    def delete(self, day: str, names: Iterable[str]) -> None:
        """Deletes files; missing ones are no error."""
        ...


def read_all(files: DayFiles, day: str, limits: FileLimits) -> list[bytes]:
    """Returns the contents of all files of a day, in the order of their names.

    Raises:
        ActionableError: a file is larger than `limits`.
    """
    found = files.names(day)
    for name, size in found:
        limits.require_size(files.path(day, name), size)
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        return [content or b"" for content in pool.map(lambda one: files.read(day, one[0]), found)]


def open_day_files(settings: Settings, name: str) -> DayFiles:
    """Opens the files `name` of the settings: in the bucket of the artifact store, or below the home.

    Raises:
        ActionableError: `artifacts` is an invalid bucket URL.
    """
    return BucketFiles(settings.artifacts, name) if settings.artifacts else FolderFiles(settings.home.absolute() / name)


class FolderFiles:
    """Files below a folder, each synced to the disk."""

    def __init__(self, folder: Path) -> None:
        """Stores the folder, which may not exist yet."""
        self._folder = folder

    def path(self, day: str, name: str) -> str:
        """Returns the path of a file, for messages."""
        return str(self._folder / day / name)

    def days(self) -> list[str]:
        """Returns the days with files, sorted."""
        return sorted(folder.name for folder in self._folder.glob("*") if self.names(folder.name))

    def names(self, day: str) -> list[tuple[str, int]]:
        """Returns name and size in bytes of the files of a day, sorted by name."""
        files = (file for file in (self._folder / day).glob("*") if not file.name.startswith(DRAFT_PREFIX))
        return sorted((file.name, file.stat().st_size) for file in files)

    def read(self, day: str, name: str) -> bytes | None:
        """Returns the content of a file, or None if it does not exist."""
        try:
            return (self._folder / day / name).read_bytes()
        except FileNotFoundError:
            return None

    def write(self, day: str, name: str, content: bytes) -> None:
        """Writes a file, or replaces it; raises OSError."""
        with write_atomically(self._folder / day / name) as draft:
            draft.write_bytes(content)

    def delete(self, day: str, names: Iterable[str]) -> None:
        """Deletes files, and the folder of a day without files."""
        for name in names:
            (self._folder / day / name).unlink(missing_ok=True)
        folder = self._folder / day
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


class BucketFiles:
    """Objects `<bucket URL>/<name>/<day>/<file>`; every method raises ActionableError if a request to S3 fails."""

    def __init__(self, url: str, name: str) -> None:
        """Connects at the first request; raises ActionableError if `url` is invalid."""
        from rec_assets.storage.s3 import Bucket  # boto3 is slow to import

        self._bucket, self._prefix = Bucket(url), f"{name}/"

    def path(self, day: str, name: str) -> str:
        """Returns the URL of a file, for messages."""
        return f"{self._bucket.url}/{self._prefix}{day}/{name}"

    def days(self) -> list[str]:
        """Returns the days with files, sorted."""
        return self._bucket.folders(self._prefix)

    def names(self, day: str) -> list[tuple[str, int]]:
        """Returns name and size in bytes of the files of a day, sorted by name."""
        below = f"{self._prefix}{day}/"
        return [(one.key.removeprefix(below), one.size) for one in self._bucket.objects(below)]

    def read(self, day: str, name: str) -> bytes | None:
        """Returns the content of a file, or None if it does not exist."""
        return self._bucket.read_bytes(f"{self._prefix}{day}/{name}")

    def write(self, day: str, name: str, content: bytes) -> None:
        """Writes a file, or replaces it; raises OSError, as a folder does."""
        try:
            self._bucket.write(f"{self._prefix}{day}/{name}", content)
        except ActionableError as error:
            raise OSError(str(error)) from error

    def delete(self, day: str, names: Iterable[str]) -> None:
        """Deletes files; missing ones are no error."""
        self._bucket.delete([f"{self._prefix}{day}/{name}" for name in names])
