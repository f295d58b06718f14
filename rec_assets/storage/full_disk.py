"""Recognizes the errors of a full disk, whatever library raised them."""

import errno
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

_FULL_DISK_FREE = 1 << 20  # maximum free bytes of a full disk: a failed write may free some space


def full_disk(root: Path, error: BaseException) -> Path | None:
    """Returns the folder on a full disk that caused an error, `root` or the temporary folder; None for other causes.

    An error with ENOSPC or EDQUOT proves the cause. Many libraries hide this number (see `_may_hide_full_disk`): their
    errors count if less than 1 MiB is free. Exceptions that an error was raised from count, too.
    """
    causes = list(_with_causes(error))
    is_proven = any(isinstance(one, OSError) and one.errno in (errno.ENOSPC, errno.EDQUOT) for one in causes)
    if not is_proven and not any(map(_may_hide_full_disk, causes)):
        return None
    folders = (root, Path(tempfile.gettempdir()))
    full = (folder for folder in folders if shutil.disk_usage(folder).free < _FULL_DISK_FREE)
    return next(full, root if is_proven else None)


def _with_causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _may_hide_full_disk(error: BaseException) -> bool:
    """Returns whether an error without ENOSPC is of a type that libraries raise on a full disk.

    - OSError without a number: NumPy ("1000000 requested and 393216 written"), `shutil.copytree`.
    - RuntimeError itself: FAISS and PyTorch, whose messages differ.
    - sqlite3.OperationalError: SQLite; SQLAlchemy, which Dagster uses, raises its own error from this one.
    - Any error with the system's message: Polars (ComputeError or OSError), TensorFlow, Valkey.
    """
    if isinstance(error, OSError):
        return error.errno is None
    if type(error) is RuntimeError or isinstance(error, sqlite3.OperationalError):
        return True
    return os.strerror(errno.ENOSPC) in str(error)
