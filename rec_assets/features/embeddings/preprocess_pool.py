"""Prepares contents for an encoder in threads, or images in processes if there are enough cores."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import get_context
from typing import Any

from rec_assets.common.errors import ActionableError

Prepare = Callable[[bytes], Any]
PrepareAll = Callable[[Sequence[bytes]], list[Any]]

# With fewer cores the encoder is the bottleneck, not the decoding.
MANY_CORES = 4


def cores() -> int:
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def reading_threads() -> int:
    """Returns the number of threads that read files or wait for a decoding process."""
    return max(4, 2 * cores())


@contextmanager
def preparing(prepare: Prepare, are_images: bool) -> Iterator[PrepareAll]:
    """Yields a function that prepares several contents; callable from threads. Images use one process per core.

    Pillow holds Python's lock for most of the decoding of a small image: on 16 cores, 32 threads decoded hardly more
    than four threads. The first content starts the processes. They are not forked, because CUDA and TensorFlow do not
    support fork.

    Args:
        prepare: `prepare` of an encoder; picklable, and cheap to import.
        are_images: True if the contents are images, which are expensive enough for other processes.

    Yields:
        A function from n contents to n results: the value of `prepare`, or the ValueError that `prepare` raised. The
        function raises ActionableError if a process was killed.
    """
    prepare_all = partial(_prepare_all, prepare)
    if not are_images or cores() < MANY_CORES:
        yield prepare_all
        return
    with ProcessPoolExecutor(cores(), mp_context=get_context("forkserver")) as processes:

        def prepare_in_process(contents: Sequence[bytes]) -> list[Any]:
            try:
                return processes.submit(prepare_all, contents).result() if contents else []
            except BrokenProcessPool as error:
                raise ActionableError(
                    "A process that decodes images was killed, probably for lack of memory.",
                    "Give the step more memory or fewer cores, and run it again; encoded vectors are kept.",
                ) from error

        yield prepare_in_process


def _prepare_all(prepare: Prepare, contents: Sequence[bytes]) -> list[Any]:
    results: list[Any] = []
    for content in contents:
        try:
            results.append(prepare(content))
        except ValueError as error:
            results.append(error)
    return results
