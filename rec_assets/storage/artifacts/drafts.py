"""Folders of unfinished writes. A lock tells a draft of a running process from a draft of a killed one."""

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rec_assets.common.files import DRAFT_PREFIX

ABANDONED_S = 60.0  # age from which a draft without a lock is abandoned; small files are written without a lock


@contextmanager
def new_draft(folder: Path) -> Iterator[Path]:
    """Yields an empty folder `.draft-…` below `folder`, and deletes it after the block unless it was renamed."""
    draft = Path(tempfile.mkdtemp(prefix=DRAFT_PREFIX, dir=folder))
    lock = os.open(draft, os.O_RDONLY)
    try:
        # Released when this process ends, however it ends.
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        os.close(lock)


def delete_abandoned(folder: Path) -> list[Path]:
    """Deletes the drafts that killed processes left in a folder; returns their paths."""
    return [draft for draft in folder.glob(f"{DRAFT_PREFIX}*") if _is_abandoned(draft) and _delete(draft)]


def _is_abandoned(draft: Path) -> bool:
    try:
        if time.time() - draft.lstat().st_mtime < ABANDONED_S:
            return False
        lock = os.open(draft, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return draft.is_symlink()  # no draft is a link; otherwise the draft was deleted meanwhile
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return True


def _delete(draft: Path) -> bool:
    if draft.is_symlink() or draft.is_file():
        draft.unlink(missing_ok=True)
    else:
        shutil.rmtree(draft, ignore_errors=True)
    return True
