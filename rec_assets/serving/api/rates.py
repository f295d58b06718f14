"""Limit on the requests of one API key, so that a careless client leaves the API to the others."""

import time
from collections.abc import Callable


class RateLimit:
    """Counts the requests of each key. A key that paused may send the requests of one second at once.

    This is a token bucket. The counts are those of one process: a shared count would cost each request a round trip.
    """

    def __init__(self, per_second: float, now: Callable[[], float] = time.monotonic) -> None:
        """Stores the limit, 0 for none, and the clock in seconds."""
        self._per_second, self._now = per_second, now
        self._left: dict[bytes, tuple[float, float]] = {}  # requests left, and the time of this number

    def wait_of(self, key: bytes) -> float:
        """Counts a request and returns 0, or returns the seconds until the key may send its next request."""
        if not self._per_second:
            return 0.0
        now, most = self._now(), max(self._per_second, 1.0)
        left, at = self._left.get(key, (most, now))
        left = min(most, left + (now - at) * self._per_second)
        allowed = left >= 1
        self._left[key] = (left - allowed, now)
        return 0.0 if allowed else (1 - left) / self._per_second
