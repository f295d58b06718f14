"""Circuit breaker: stops calls to a store that does not answer, and retries later."""

import time
from collections.abc import Callable
from functools import lru_cache

from rec_assets.settings import Settings

FAILURES = 3  # in a row; a single failure may be a lost packet
PAUSE = 5.0  # seconds between two attempts during an outage; each attempt may take the store's full time limit


class CircuitBreaker:
    """Opens after `FAILURES` failed calls in a row. Every `PAUSE` seconds it lets calls through to retry the store."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._failures = 0
        self._next_attempt = 0.0

    @property
    def is_open(self) -> bool:
        """Returns True while the store must not be called."""
        return self._failures >= FAILURES and self._clock() < self._next_attempt

    def failed(self) -> None:
        """Records a call without an answer."""
        self._failures += 1
        self._next_attempt = self._clock() + PAUSE

    def answered(self) -> None:
        """Records an answer, which closes the breaker."""
        self._failures = 0


def valkey_breaker(settings: Settings) -> CircuitBreaker:
    """Returns the breaker that all stages of this process share, because all of them read the same Valkey."""
    return _of_address(settings.valkey_host, settings.valkey_port)


@lru_cache
def _of_address(host: str, port: int) -> CircuitBreaker:
    return CircuitBreaker()
