"""Digests of files, and atomic writes of files and folders. Does not know the artifact store."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DRAFT_PREFIX = ".draft-"


def digest_of_file(file: Path, algorithm: str = "sha256") -> str:
    """Returns the hex digest of a file's content."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, algorithm).hexdigest()


@contextmanager
def write_atomically(target: Path, drafts: Path | None = None) -> Iterator[Path]:
    """Yields a temporary path with the name of `target`; after a block without error it replaces `target`.

    Readers see the old or the new content, even after a power cut: the content is on the disk before the rename. A
    killed process leaves a folder `.draft-…`.

    Args:
        target: the file, or a folder that does not exist yet; its parent is created.
        drafts: folder for the temporary path, on the disk of `target`; by default the parent of `target`.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if drafts is not None:
        drafts.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=DRAFT_PREFIX, dir=drafts or target.parent) as folder:
        draft = Path(folder) / target.name
        yield draft
        replace_durably(draft, target)


def replace_durably(draft: Path, target: Path) -> None:
    """Writes a file, or a folder with all its files, through to the disk, and then renames it to `target`."""
    for path in [draft, *draft.rglob("*")]:
        _sync(path)
    os.replace(draft, target)
    _sync(target.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
