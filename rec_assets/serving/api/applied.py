"""Waits until workers applied recorded events. A wait holds no thread, so lists are answered meanwhile."""

from collections.abc import Callable, Coroutine, Sequence

from tenacity import AsyncRetrying, retry_if_result, stop_before_delay, wait_exponential

MAX_WAIT_S = 5.0
MAX_WAITING = 10  # requests, because every look costs the API time; further ones are answered after one look
# Seconds between two looks at the stream, which grow with the wait: it ends late by a third at most.
_FIRST_LOOK_S, _LAST_LOOK_S, _GROWTH = 0.005, 0.1, 1.3


class AppliedEvents:
    """Looks at the stream until workers applied some entries, for a limited number of requests at a time."""

    def __init__(self, applied: Callable[[Sequence[str]], Coroutine[None, None, bool]]) -> None:
        """Stores the coroutine function that returns whether workers applied entries with these ids."""
        self._applied, self._waiting = applied, 0

    async def within(self, entry_ids: Sequence[str], wait_s: float) -> bool | None:
        """Returns whether the entries are applied after at most `wait_s` seconds; None without a wait."""
        if not wait_s:
            return None
        if self._waiting >= MAX_WAITING:
            return await self._applied(entry_ids)
        looks = AsyncRetrying(
            retry=retry_if_result(lambda applied: not applied),
            stop=stop_before_delay(wait_s),
            wait=wait_exponential(_FIRST_LOOK_S, _LAST_LOOK_S, exp_base=_GROWTH),
            retry_error_callback=lambda _: False,
        )
        self._waiting += 1
        try:
            return await looks(self._applied, entry_ids)
        finally:
            self._waiting -= 1
