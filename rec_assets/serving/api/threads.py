"""Threads in which the API's requests wait for Triton and Valkey."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class RequestThreads:
    """Decorates functions that handle requests, so that each call has a thread.

    FastAPI has threads for functions, too. But it checks the response in one more thread, which took a sixth of the
    API's time.
    """

    def __init__(self, most: int) -> None:
        """Starts threads as they are needed.

        Args:
            most: requests at a time; further ones wait.
        """
        self._threads = ThreadPoolExecutor(most, "request")

    def __call__(self, function: Callable[P, R]) -> Callable[P, Coroutine[Any, Any, R]]:
        """Returns a coroutine function with the same arguments; the thread has the context of the caller."""

        @wraps(function)
        async def in_thread(*args: P.args, **kwargs: P.kwargs) -> R:
            call = partial(copy_context().run, function, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)

        return in_thread
