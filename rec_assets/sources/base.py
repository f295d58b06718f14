"""The interface of a source of raw days. All data enters the asset graph through a source."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.sources.images.found import ImageReport, Progress

Int32s = npt.NDArray[np.int32]
# Files of the assets raw_interactions, raw_items and raw_users.
RAW_INTERACTIONS, RAW_ITEMS, RAW_USERS = "interactions.parquet", "items.parquet", "users.parquet"
# Columns of raw_items that no model reads; only filters and rules do. A catalog without such values lacks the column.
ATTRIBUTES = ("brand", "margin", "stock")


def midnight(day: date) -> int:
    """Returns the unix second at which a UTC day starts."""
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())


class BestRanking(Protocol):
    """Oracle ranking of a source with known probabilities: an upper bound for every model's metrics."""

    def __call__(
        self, user_ids: npt.ArrayLike, timestamps: npt.ArrayLike, device_types: npt.ArrayLike, k: int
    ) -> Int32s:
        """Returns item ids int32 [n, k], best first, for n requests; user_id -1 is an anonymous user."""
        ...


class Source(Protocol):
    """Raw frames, not yet checked by the contract (`rec_assets.sources.contract`)."""

    @property
    def best_ranking(self) -> BestRanking | None:
        """The oracle ranking, or None if the true probabilities are unknown."""
        ...

    def location(self, name: str) -> str:
        """Returns a path or description of `name` ("items", "users" or a day's ISO date) for messages."""
        ...

    def interactions(self, day: date) -> pl.DataFrame:
        """Returns the rows of one UTC day; raises ActionableError if the day does not exist."""
        ...

    def items(self) -> pl.DataFrame:
        """Returns the catalog with descriptions, one row per item."""
        ...

    def users(self) -> pl.DataFrame:
        """Returns the users, one row per user."""
        ...

    def write_images(self, folder: Path, progress: Progress | None = None) -> ImageReport:
        """Writes `<item_id>.jpg`, in any format, for every item with an image.

        Args:
            folder: an existing folder.
            progress: called with the number of finished and of all downloads.

        Raises:
            ActionableError: all images are downloads, and all failed.
        """
        ...
