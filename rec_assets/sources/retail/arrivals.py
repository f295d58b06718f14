"""Arrival days of users and items: most were always there, the others come a few a day, in the order of their ids."""

from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl


def arrival_days(first: int, total: int, per_day: int) -> npt.NDArray[np.int64]:
    """Returns the day index each of `total` arrives on, int64 [total]: 0 for the `first` ones, then `per_day` a day."""
    return np.maximum(np.arange(total) - first + per_day, 0) // per_day


def dates(arrival: npt.NDArray[np.int64], start: date) -> pl.Series:
    """Returns arrival days as dates; null for those who were always there."""
    by_index = [None, *(start + timedelta(days=d) for d in range(1, int(arrival.max(initial=0)) + 1))]
    return pl.Series("first_day", [by_index[d] for d in arrival.tolist()], pl.Date)
