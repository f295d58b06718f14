"""Training rows as a matrix of users by items, and the ranking of items by a baseline's scores."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import scipy.sparse as sp

from rec_assets.common.units import DAY_SECONDS

Rows = npt.NDArray[np.int64]
# Maps rows of the matrix [b] to scores of all items, float32 [b, items]; zero for no evidence.
Scores = Callable[[Rows], npt.NDArray[np.float32]]
USERS_PER_BATCH = 64


@dataclass(frozen=True)
class InteractionMatrix:
    """Interactions as a matrix of users by items.

    Items are ordered by popularity. So a stable sort by any score breaks ties by popularity, and puts items without a
    score in the order of popularity.

    Attributes:
        user_ids: raw ids, ascending, int32 [u].
        item_ids: raw ids, most popular first, int32 [m].
        user_rows: matrix row of each interaction, int64 [n].
        item_columns: matrix column of each interaction, int64 [n].
        ages: days from each interaction to the end of the last day, float64 [n].
    """

    user_ids: npt.NDArray[np.int32]
    item_ids: npt.NDArray[np.int32]
    user_rows: Rows
    item_columns: Rows
    ages: npt.NDArray[np.float64]

    @classmethod
    def of(cls, rows: pl.DataFrame, popularity_days: int) -> "InteractionMatrix":
        """Builds the matrix of rows with user_id, item_id and timestamp; raises ValueError without rows.

        Popularity is the count of the last `popularity_days` days. The count of all days breaks ties, then the id.
        """
        if rows.is_empty():
            raise ValueError("The interaction matrix has no rows.")
        end = end_of(rows)
        recent = (pl.col("timestamp") >= end - popularity_days * DAY_SECONDS).sum()
        ranking = rows.group_by("item_id").agg(recent=recent, rows=pl.len())
        ranking = ranking.sort("recent", "rows", "item_id", descending=[True, True, False]).with_row_index("column")
        users, user_rows = np.unique(rows["user_id"].to_numpy(), return_inverse=True)
        columns = rows.join(ranking, on="item_id", maintain_order="left")["column"].to_numpy()
        ages = (end - rows["timestamp"].to_numpy()) / DAY_SECONDS
        return cls(users, ranking["item_id"].to_numpy(), user_rows, columns.astype(np.int64), ages)

    def sparse(self, weights: npt.NDArray[np.floating[Any]] | None = None) -> sp.csr_matrix:
        """Sums weights (default 1) of the interactions by pair, float64 [u + 1, m]; the last row is empty."""
        values = np.ones(len(self.ages)) if weights is None else weights
        shape = (len(self.user_ids) + 1, len(self.item_ids))
        return sp.csr_matrix((values, (self.user_rows, self.item_columns)), shape, np.float64)

    def rows_of(self, user_ids: npt.NDArray[np.int32]) -> Rows:
        """Returns the matrix row of each raw user id [q]; users without rows get the last, empty row."""
        rows = np.searchsorted(self.user_ids, user_ids)
        is_known = np.append(self.user_ids, -1)[rows] == user_ids
        return np.where(is_known, rows, len(self.user_ids))

    def lists(
        self, scores: Scores, user_ids: npt.NDArray[np.int32], depth: int, *, new_only: bool = False
    ) -> npt.NDArray[np.int32]:
        """Returns raw ids of the best items [q, min(depth, m)], padded with -1.

        `new_only` leaves out the items of each user's history.
        """
        rows = self.rows_of(user_ids)
        parts = []
        for start in range(0, len(rows), USERS_PER_BATCH):
            part = rows[start : start + USERS_PER_BATCH]
            batch = scores(part)
            if new_only:
                batch[self._counts[part].nonzero()] = -np.inf
            order = best_columns(batch, depth)
            left = np.take_along_axis(batch, order, axis=1) > -np.inf
            parts.append(np.where(left, self.item_ids[order], np.int32(-1)))
        return np.concatenate(parts)

    @cached_property
    def _counts(self) -> sp.csr_matrix:
        return self.sparse()


def best_columns(scores: npt.NDArray[np.float32], depth: int) -> Rows:
    """Returns the columns of each row's highest scores, best first, ties in column order [b, min(depth, m)]."""
    depth = min(depth, scores.shape[1])
    # Sorting only scores that reach the last position is seven times faster than a stable sort of the whole row.
    lowest = np.partition(scores, -depth, axis=1)[:, -depth]
    result = np.empty((len(scores), depth), np.int64)
    for row, (values, least) in enumerate(zip(scores, lowest, strict=True)):
        columns = np.flatnonzero(values >= least)
        result[row] = columns[np.argsort(-values[columns], kind="stable")[:depth]]
    return result


def end_of(rows: pl.DataFrame) -> int:
    """Returns the end of the last day of the rows: a midnight in unix seconds."""
    last: Any = rows["timestamp"].max()
    return (int(last) // DAY_SECONDS + 1) * DAY_SECONDS
