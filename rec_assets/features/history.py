"""The history of a user strictly before a moment: the one definition for training and serving.

A history is the latest `LENGTH` interactions, newest first. Training reads it from an `InteractionLog`, a request from
`user:{id}:recent_items`. Both return padded rows.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

LENGTH = 400
LARGEST_ID = 2**31 - 1  # of users, items and unix seconds: a request has 32 bits for each
PADDING = 0  # encoded ids start at 1

Ids = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class UserHistories:
    """Padded histories, newest first.

    Attributes:
        item_ids: encoded, int32 [q, LENGTH], `PADDING` where a history is shorter.
        timestamps: unix seconds, int64 [q, LENGTH], 0 where it is shorter.
    """

    item_ids: Ids
    timestamps: Times

    @classmethod
    def empty(cls, rows: int) -> "UserHistories":
        """UserHistories of strangers."""
        return cls(np.full((rows, LENGTH), PADDING, np.int32), np.zeros((rows, LENGTH), np.int64))

    def at(self, rows: npt.NDArray[np.int64]) -> "UserHistories":
        """Returns some of the histories."""
        return UserHistories(self.item_ids[rows], self.timestamps[rows])

    def before(self, now: npt.ArrayLike) -> "UserHistories":
        """Leaves out what did not happen strictly before a moment of each row (unix seconds [q]); no holes remain."""
        gone = (self.timestamps >= np.asarray(now, np.int64)[:, None]) | (self.item_ids == PADDING)
        order = np.argsort(gone, axis=1, kind="stable")
        items = np.take_along_axis(np.where(gone, np.int32(PADDING), self.item_ids), order, axis=1)
        return UserHistories(items, np.take_along_axis(np.where(gone, 0, self.timestamps), order, axis=1))

    def hours(self, now: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Hours from each interaction to a moment of its row (unix seconds [q]), 0 at padding, float32 [q, LENGTH]."""
        past = (np.asarray(now, np.int64)[:, None] - self.timestamps) / 3600
        return np.where(self.item_ids == PADDING, 0, past).astype(np.float32)


@dataclass(frozen=True)
class InteractionLog:
    """All interactions by user and time; a history is a slice of it, so that no row keeps a copy of its own.

    Attributes:
        keys: user id << 32 | timestamp, ascending, int64 [n].
        item_ids: encoded, int32 [n].
    """

    keys: npt.NDArray[np.int64]
    item_ids: Ids

    @classmethod
    def of(cls, user_ids: npt.ArrayLike, timestamps: npt.ArrayLike, item_ids: npt.ArrayLike) -> "InteractionLog":
        """Sorts interactions [n]; those of one user and second are ordered by item, whatever order they come in."""
        keys, items = _keys(user_ids, timestamps), np.asarray(item_ids, np.int32)
        order = np.lexsort((items, keys))
        return cls(keys[order], items[order])

    def slices(self, user_ids: npt.ArrayLike, timestamps: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Returns begin and end of the history of each user (raw id) at a time, int64 [q, 2]; empty for user -1.

        Events of the very second are left out: the lines of a basket must not explain each other.
        """
        users = np.asarray(user_ids, np.int64)
        first, end = (np.searchsorted(self.keys, _keys(users, at)) for at in (np.zeros_like(users), timestamps))
        ends = np.where(users < 0, first, end)
        return np.stack([np.maximum(first, ends - LENGTH), ends], axis=1)

    def gather(self, slices: npt.NDArray[np.int64]) -> UserHistories:
        """Returns the histories between begin and end, int64 [q, 2]."""
        places = slices[:, 1:] - 1 - np.arange(LENGTH)
        there = places >= slices[:, :1]
        if not len(self.keys):
            return UserHistories.empty(len(slices))
        places = np.where(there, places, 0)
        items = np.where(there, self.item_ids[places], np.int32(PADDING))
        return UserHistories(items, np.where(there, self.timestamps[places], 0))

    @property
    def user_ids(self) -> npt.NDArray[np.int64]:
        """The raw user of each interaction, int64 [n]."""
        return self.keys >> 32

    @cached_property
    def timestamps(self) -> Times:
        """The unix second of each interaction, int64 [n]."""
        return self.keys & 0xFFFF_FFFF

    def until(self, end: int) -> "InteractionLog":
        """Returns the interactions before a moment (unix seconds)."""
        kept = self.timestamps < end
        return InteractionLog(self.keys[kept], self.item_ids[kept])

    def of_users(self, user_ids: npt.ArrayLike) -> "InteractionLog":
        """Returns the interactions of some users (raw ids)."""
        users = np.unique(np.asarray(user_ids, np.int64))
        begin, end = (np.searchsorted(self.keys, edge << 32) for edge in (users, users + 1))
        places = np.concatenate([np.arange(0), *map(np.arange, begin, end)])
        return InteractionLog(self.keys[places], self.item_ids[places])

    def save(self, file: Path) -> None:
        """Writes one npz."""
        np.savez(file, keys=self.keys, item_ids=self.item_ids)

    @classmethod
    def load(cls, file: Path) -> "InteractionLog":
        """Reads what `save` wrote."""
        with np.load(file) as arrays:
            return cls(arrays["keys"], arrays["item_ids"])


def latest_events(interactions: pl.LazyFrame, length: int = LENGTH) -> pl.LazyFrame:
    """The latest interactions of each user: user_id, item_id, timestamp, newest first within a user."""
    newest = interactions.select("user_id", "item_id", "timestamp").sort(
        ["user_id", "timestamp", "item_id"], descending=[False, True, True]
    )
    return newest.filter(pl.int_range(pl.len()).over("user_id") < length)


def _keys(user_ids: npt.ArrayLike, timestamps: Any) -> npt.NDArray[np.int64]:
    return np.asarray(user_ids, np.int64) << 32 | np.asarray(timestamps, np.int64)
