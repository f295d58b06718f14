"""One at a time, across processes: a lock that the end of its holder, a kill included, gives back."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rec_assets.common.errors import ActionableError


@contextmanager
def exclusive_lock(file: Path, seconds: float, other: str) -> Iterator[None]:
    """Runs a block while nobody else holds the lock.

    Args:
        file: the lock; its folder is made.
        seconds: how long to wait for another.
        other: what another would be, as the beginning of a sentence about it.

    Raises:
        ActionableError: the other did not end in time.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(file, timeout=seconds):
            yield
    except Timeout as error:
        raise ActionableError(
            f"{other} has been at it for {seconds:.0f} s (lock: {file}).",
            "Wait for it to end, or end it, and try again.",
        ) from error
