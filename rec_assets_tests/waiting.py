"""Waiting for what another process or thread does."""

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
        condition: called again and again; its exceptions end the waiting unless they are in `ignore`.
        ignore: exceptions that mean "not yet".
        seconds: time limit; what passes takes far less, so a slow machine fails no test.

    Raises:
        TimeoutError: the value was still false; after an ignored exception, that exception.
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
