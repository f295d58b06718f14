"""Prepares contents for an encoder: in threads, and images in processes where there are cores for it."""

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

# With fewer, the encoder itself is what takes long.
MANY_CORES = 4


def cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def reading_threads() -> int:
    """Returns how many threads read files, or wait for a process that decodes one."""
    return max(4, 2 * cores())


@contextmanager
def preparing(prepare: Prepare, pictures: bool) -> Iterator[PrepareAll]:
    """Yields what prepares several contents, called from threads; of pictures, in as many processes as there are cores.

    Pillow holds Python's lock for much of a small picture: on 16 cores 32 threads decoded hardly more than four did.
    Processes start when the first content comes, and not by fork, which CUDA and TensorFlow do not call.

    Args:
        prepare: an encoder's; picklable, and light to import.
        pictures: whether the contents are worth another process.

    Yields:
        Of n contents n results: what `prepare` returns, or the ValueError that it raised.

    Raises:
        ActionableError: from what is yielded, where a process was killed.
    """
    here = partial(_prepare_all, prepare)
    if not pictures or cores() < MANY_CORES:
        yield here
        return
    with ProcessPoolExecutor(cores(), mp_context=get_context("forkserver")) as processes:

        def elsewhere(contents: Sequence[bytes]) -> list[Any]:
            try:
                return processes.submit(here, contents).result() if contents else []
            except BrokenProcessPool as error:
                raise ActionableError(
                    "A process that decodes pictures was killed, most often for lack of memory.",
                    "Give the step more memory or fewer cores; what was encoded so far is kept.",
                ) from error

        yield elsewhere


def _prepare_all(prepare: Prepare, contents: Sequence[bytes]) -> list[Any]:
    results: list[Any] = []
    for content in contents:
        try:
            results.append(prepare(content))
        except ValueError as error:
            results.append(error)
    return results
