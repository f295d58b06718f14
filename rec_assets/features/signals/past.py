"""Histories of requests as flat rows, and the counts and sums that signals and candidate sources read from them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.units import DAY_SECONDS
from rec_assets.features.history import PADDING_ID, UserHistories

HALF_LIFE_DAYS = 28.0
PRIOR_ROWS = 10.0  # rows at the shop's shares that are added to a user's history

Ids = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[Any]


class Past:
    """The histories of some requests as flat rows.

    Attributes:
        owners: request of each row, ascending, int64 [m].
        item_ids: encoded item of each row, newest first per request [m].
        age: days from each row to its request, float64 [m].
        length: rows of each request, int64 [q].
        weight: weight of each row; it halves every `HALF_LIFE_DAYS`, float64 [m].
        starts: bool [m], True for the first row of each basket; rows of one second are one basket.
    """

    def __init__(self, histories: UserHistories, now: Ids) -> None:
        """Flattens histories [q] of requests at some times, unix seconds [q]."""
        mask = histories.item_ids != PADDING_ID
        timestamps = histories.timestamps[mask]
        self.owners, self.item_ids = np.nonzero(mask)[0], histories.item_ids[mask]
        self.length = mask.sum(axis=1)
        self.age = (now[self.owners] - timestamps) / DAY_SECONDS
        self.weight = np.exp2(-self.age / HALF_LIFE_DAYS)
        self.starts = np.ones(len(timestamps), np.bool_)
        self.starts[1:] = (np.diff(self.owners) != 0) | (np.diff(timestamps) != 0)

    def __len__(self) -> int:
        return len(self.length)

    def sums(self, values: Values) -> npt.NDArray[np.float64]:
        """Sums values of rows [m] by request [q]."""
        return np.bincount(self.owners, values, len(self)).astype(np.float64)

    @cached_property
    def items(self) -> "Groups":
        """Groups the rows by item."""
        return Groups.of(self.owners, self.item_ids)

    @property
    def baskets(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Returns the baskets of each request [q], and the basket of each row [m]; 0 is the latest one."""
        count = self.sums(self.starts)
        return count, np.cumsum(self.starts) - 1 - np.append(0, np.cumsum(count)[:-1])[self.owners]

    @property
    def days_since_any(self) -> npt.NDArray[np.float64]:
        """Returns days since the latest row of each request [q]; 0 without rows."""
        newest = np.zeros(len(self))
        newest[self.owners[::-1]] = self.age[::-1]
        return newest

    def affinity(self, category: Ids, share: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        """Returns how much more often the user of each request chooses each category than all users do, [q, c].

        The share of the category in the user's weighted rows, shrunk by `PRIOR_ROWS` rows toward the share in all
        interactions, and divided by it. 1 for a user without history.

        Args:
            category: category by encoded item id [v].
            share: share of each category in all interactions [c].
        """
        count = len(share)
        keys = self.owners * count + category[self.item_ids]
        own = np.bincount(keys, self.weight, len(self) * count).reshape(-1, count)
        return (own / share + PRIOR_ROWS) / (self.sums(self.weight)[:, None] + PRIOR_ROWS)


@dataclass(frozen=True)
class Groups:
    """Rows grouped by owner and value.

    Attributes:
        keys: owner << 32 | value of each group, ascending, int64 [g].
        of_row: group of each row, int64 [m].
        first: first row of each group, int64 [g]; of a history, the latest one.
        count: rows of each group, int64 [g].
    """

    keys: npt.NDArray[np.int64]
    of_row: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    count: npt.NDArray[np.int64]

    @classmethod
    def of(cls, owners: Ids, values: Ids) -> "Groups":
        """Groups rows [m] by owner and by value, which must not be negative."""
        rows = owners.astype(np.int64) << 32 | values.astype(np.int64)
        keys, first, of_row, count = np.unique(rows, return_index=True, return_inverse=True, return_counts=True)
        return cls(keys, of_row, first, count)

    @cached_property
    def values(self) -> npt.NDArray[np.int64]:
        """Returns the value of each group, ascending per owner, int64 [g]."""
        return self.keys & 0xFFFF_FFFF

    @cached_property
    def damped_count(self) -> npt.NDArray[np.float64]:
        """Returns log(1 + rows) of each group, float64 [g]."""
        return np.log1p(self.count)

    def rows_by_owner(self, owners: int) -> list[slice]:
        """Returns the groups of each owner, from 0."""
        edges = np.searchsorted(self.keys, np.arange(owners + 1) << 32).tolist()
        return [slice(*pair) for pair in pairwise(edges)]

    def per_owner(self, owners: int) -> npt.NDArray[np.int64]:
        """Returns the number of groups of each owner [owners]."""
        return np.bincount(self.keys >> 32, minlength=owners)

    def look_up(self, columns: Sequence[Values], owners: Ids, values: Ids) -> list[npt.NDArray[np.float64]]:
        """Returns columns of groups [g] for owners and values [n], float64 [n] each; 0 without a group."""
        wanted = owners.astype(np.int64) << 32 | values.astype(np.int64)
        position = np.searchsorted(self.keys, wanted)
        found = np.append(self.keys, -1)[position] == wanted
        return [np.where(found, np.append(column, 0.0)[position], 0.0) for column in columns]
