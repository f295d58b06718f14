"""Stops calls to a store that does not answer, and tries it again later."""

import time
from collections.abc import Callable
from functools import lru_cache

from rec_assets.settings import Settings

FAILURES = 3  # in a row; one alone may be a packet that was lost
PAUSE = 5.0  # seconds between two attempts while it is away; a silent store costs each attempt its time limit


class CircuitBreaker:
    """Open while a store is left alone: after some failures in a row, until the pause ends and one call tries it."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._next_attempt = 0.0

    @property
    def is_open(self) -> bool:
        """True while the store must not be called."""
        return self._failures >= FAILURES and self._clock() < self._next_attempt

    def failed(self) -> None:
        """Notes a call without an answer."""
        self._failures += 1
        self._next_attempt = self._clock() + PAUSE

    def answered(self) -> None:
        """Notes an answer: the store is back."""
        self._failures = 0


def valkey_breaker(settings: Settings) -> CircuitBreaker:
    """Returns the breaker that all stages of this process share, for one Valkey holds all they read."""
    return _of_address(settings.valkey_host, settings.valkey_port)


@lru_cache
def _of_address(host: str, port: int) -> CircuitBreaker:
    return CircuitBreaker()
