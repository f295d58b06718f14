"""The interface of a source of raw days, the only way of data into the asset graph."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

Int32s = npt.NDArray[np.int32]
DAY_SECONDS = 24 * 60 * 60


def midnight(day: date) -> int:
    """Returns the unix second a UTC day starts at."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


class BestRanking(Protocol):
    """The ideal list of a source that knows the truth, so that a model's metrics have a ceiling to be read against."""

    def __call__(
        self, user_ids: npt.ArrayLike, timestamps: npt.ArrayLike, device_types: npt.ArrayLike, k: int
    ) -> Int32s:
        """Returns item ids int32 [n, k], best first, for n requests; user_id -1 is an anonymous visitor."""
        ...


class Source(Protocol):
    """Frames as they arrive, before the contract (`rec_assets.sources.contract`) has looked at them."""

    @property
    def best_ranking(self) -> BestRanking | None:
        """The ideal list, or None where nobody knows it."""
        ...

    def location(self, name: str) -> str:
        """Returns the place of `name` ("items", "users" or a day's ISO date), as a person would look for it."""
        ...

    def interactions(self, day: date) -> pl.DataFrame:
        """The rows of one UTC day; raises ActionableError where there is no such day."""
        ...

    def items(self) -> pl.DataFrame:
        """The catalog, one row an item, descriptions included."""
        ...

    def users(self) -> pl.DataFrame:
        """One row a user."""
        ...

    def write_pictures(self, folder: Path) -> int:
        """Writes `<item_id>.jpg` for every item that has a picture into an existing folder; returns how many."""
        ...
