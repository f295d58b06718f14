"""Rows that wait to be written to a log together, so that a day has thousands of files and not millions."""

import time

import polars as pl

MAX_ROWS = 20_000  # that wait to be written


class WaitingRows:
    """Collects frames until it is time to write them: every `interval_s` seconds, or when there are many rows."""

    def __init__(self, interval_s: float, max_rows: int = MAX_ROWS) -> None:
        """Creates an empty collection, whose first rows are due at once."""
        self._interval_s, self._max_rows = interval_s, max_rows
        self._frames: list[pl.DataFrame] = []
        self._written = -interval_s

    def append(self, rows: pl.DataFrame) -> None:
        """Adds rows; all frames have the same columns."""
        if rows.height:
            self._frames.append(rows)

    def due(self, *, now: bool = False) -> pl.DataFrame | None:
        """Returns the rows to write, empty if none waits; returns None while they wait for later ones.

        Args:
            now: do not wait for later rows.
        """
        is_full = sum(one.height for one in self._frames) >= self._max_rows
        if self._frames and not now and not is_full and time.monotonic() - self._written < self._interval_s:
            return None
        return pl.concat(self._frames) if self._frames else pl.DataFrame()

    def written(self) -> None:
        """Records that the rows of `due` are stored."""
        if self._frames:
            self._written = time.monotonic()
        self._frames.clear()

    def clear(self) -> None:
        """Forgets all rows."""
        self._frames.clear()
