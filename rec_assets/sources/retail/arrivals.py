"""Arrival days of users and items. Most exist from the start; the others arrive a few per day, ordered by id."""

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl


def arrival_days(first: int, total: int, per_day: int) -> npt.NDArray[np.int64]:
    """Returns arrival day indices, int64 [total]: 0 for the `first` ones, then `per_day` arrivals per day."""
    return np.maximum(np.arange(total) - first + per_day, 0) // per_day


def dates(arrival: npt.NDArray[np.int64], start: date) -> pl.Series:
    """Returns arrival days as dates; null for day index 0."""
    by_index = [None, *(start + timedelta(days=d) for d in range(1, int(arrival.max(initial=0)) + 1))]
    return pl.Series("first_day", [by_index[d] for d in arrival.tolist()], pl.Date)
