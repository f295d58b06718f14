"""Digests of folders, and the test that a version still has its digest. Does not repair versions."""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from rec_assets.common.files import digest_of_file

SHOWN = 12  # hex digits of a digest in messages


class DamageError(Exception):
    """A version that is not what was published; the message is a clause such as "its folder is missing"."""


def digest_of(directory: Path) -> str:
    """Returns the SHA-256 hex digest over the relative names and contents of all files below `directory`.

    Raises:
        DamageError: the directory is missing, or holds a link or another thing that is not a file or a folder.
    """
    total = hashlib.sha256()
    for file, _ in _files(directory):
        total.update(file.relative_to(directory).as_posix().encode() + b"\0" + bytes.fromhex(digest_of_file(file)))
    return total.hexdigest()


def require_intact(version: Path, *, thorough: bool = False) -> None:
    """Compares a version with its digest, which is the name of its folder.

    Reads the files only if a size, a time of change or an inode differs from the last successful comparison, which
    the file `.<digest>.checked` beside the version records.

    Args:
        version: folder of the version.
        thorough: reads the files in any case, which also finds damage that left size and time as they were.

    Raises:
        DamageError: the version is missing, or its files were changed, removed or added.
    """
    record = _record_of(version)
    listing = _listing(version)
    if not thorough and _read(record) == listing:
        return
    found = digest_of(version)
    if found != version.name:
        raise DamageError(f"its files have the digest {found[:SHOWN]}, not {version.name[:SHOWN]}")
    remember_intact(version)


def remember_intact(version: Path) -> None:
    """Records that a version has its digest. A folder that cannot be written is no error: its files are read again."""
    with suppress(OSError):
        descriptor = os.open(_record_of(version), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "w") as stream:
            stream.write(_listing(version))


def forget_version(version: Path) -> None:
    """Deletes the record of a version that was removed."""
    with suppress(OSError):
        _record_of(version).unlink()


def _record_of(version: Path) -> Path:
    return version.with_name(f".{version.name}.checked")


def _read(record: Path) -> str | None:
    try:
        return record.read_text()
    except (OSError, UnicodeDecodeError):
        return None


def _listing(directory: Path) -> str:
    """Returns a hash of names, sizes, times of change and inodes."""
    facts = [(str(file.relative_to(directory)), s.st_size, s.st_mtime_ns, s.st_ino) for file, s in _files(directory)]
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _files(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yields the files below a directory in the order of their paths; raises DamageError for anything else."""
    found = _lstat(directory)
    if found is None or not stat.S_ISDIR(found.st_mode):
        raise DamageError("its folder is missing" if found is None else "its folder is a link or a file")
    for path in sorted(directory.rglob("*")):
        status = path.lstat()
        if stat.S_ISREG(status.st_mode):
            yield path, status
        elif not stat.S_ISDIR(status.st_mode):
            raise DamageError(f"{path.relative_to(directory)} is a link or another special file")


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
