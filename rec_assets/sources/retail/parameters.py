"""The size, dates and seed of generated retail, and the random streams that follow from the seed."""

import zlib
from dataclasses import dataclass
from datetime import date

import numpy as np


@dataclass(frozen=True)
class RetailParameters:
    """Parameters that decide every byte of generated retail.

    Attributes:
        users: users at the start; 1 % more arrive every day after it.
        items: the catalog, of which 14 % arrive in the two weeks after the start, 1 % a day.
        interactions_per_day: rows a day, about.
        start_date: the first day; taste drifts and trends move from here.
        days: days that users arrive on; a longer history has the same first days.
        seed: of every stream.
    """

    users: int = 10_000
    items: int = 2_465
    interactions_per_day: int = 20_000
    start_date: date = date(2025, 3, 3)
    days: int = 14
    seed: int = 0

    def day_index(self, day: date) -> int:
        """Returns the number of days since the start; 0 on the first day."""
        return (day - self.start_date).days


def stream(seed: int, name: str, index: int = 0) -> np.random.Generator:
    """Returns an independent generator for a named draw, so that no draw moves when another one is added."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), index])
