"""Size, dates and seed of generated retail, and the random streams derived from the seed."""

import zlib
from dataclasses import dataclass
from datetime import date

import numpy as np


@dataclass(frozen=True)
class RetailParameters:
    """Parameters that determine every byte of generated retail.

    Attributes:
        users: users on the first day; 1 % more arrive on every later day.
        items: catalog size; 14 % of the items arrive in the two weeks after the start, 1 % per day.
        interactions_per_day: approximate rows per day.
        start_date: the first day, day 0 of taste drift and trends.
        days: days on which users arrive; a longer history has the same first days.
        seed: random seed of all streams.
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
    """Returns an independent generator for a named draw, so that a new draw does not change the others."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), index])
