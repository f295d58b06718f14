"""Waits for other processes and threads."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.02


def wait_until(
    condition: Callable[[], T], ignore: type[Exception] | tuple[type[Exception], ...] = (), seconds: float = 60
) -> T:
    """Calls `condition` until it returns a true value, and returns that value.

    Args:
        condition: called repeatedly; its exceptions end the waiting unless they are in `ignore`.
        ignore: exceptions that mean "not yet".
        seconds: time limit, generous enough for a slow machine.

    Raises:
        TimeoutError: the last value was false. If the last call raised an ignored exception, raises this one.
    """
    deadline = time.monotonic() + seconds
    while True:
        failure: Exception
        try:
            if value := condition():
                return value
            failure = TimeoutError(f"The condition is still {value!r} after {seconds:g} s.")
        except ignore as error:
            failure = error
        if time.monotonic() > deadline:
            raise failure
        time.sleep(POLL_S)
