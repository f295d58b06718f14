"""Computes parts of arrays in threads. The parts do not depend on the number of threads, so results are equal."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

THREADS = min(8, len(os.sched_getaffinity(0)))

Part = TypeVar("Part")


def windows(count: int, size: int) -> list[slice]:
    """Splits `count` rows, in order, into windows of `size` rows; the last one can be smaller."""
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def in_threads(function: Callable[[Part], None], parts: Iterable[Part]) -> None:
    """Calls a function for each part, in `THREADS` threads; raises the first error of a call.

    Helps functions that spend their time in NumPy or compiled loops, which run beside other threads.
    """
    with ThreadPoolExecutor(THREADS) as threads:
        for _ in threads.map(function, parts):
            pass
