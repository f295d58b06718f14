"""An exclusive lock across processes, which is released when its holder ends or is killed."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rec_assets.common.errors import ActionableError


class LockHeldError(ActionableError):
    """Another process holds a lock."""


@contextmanager
def exclusive_lock(file: Path, seconds: float, other: str) -> Iterator[None]:
    """Holds the lock while the block runs.

    Args:
        file: lock file; its folder is created.
        seconds: maximum time to wait for another holder.
        other: name of another holder, at the beginning of a sentence.

    Raises:
        LockHeldError: the other holder did not release the lock in time.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(file, timeout=seconds):
            yield
    except Timeout as error:
        raise LockHeldError(
            f"{other} has held the lock {file} for {seconds:.0f} s.",
            "Wait until it ends or stop it, then try again.",
        ) from error
