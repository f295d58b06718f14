"""User histories strictly before a moment. Training and serving share this definition.

A history contains the latest `LENGTH` interactions, newest first. Training reads histories from an `InteractionLog`,
serving reads them from the Valkey key `user:{id}:recent_items`. Both return padded rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.units import HOUR_SECONDS

if TYPE_CHECKING:
    import polars as pl  # 0.2 s in each of 16 serving processes, which never call `latest_events`

LENGTH = 400
MAX_ID = 2**31 - 1  # limit of user ids, item ids and unix seconds: a request has 32 bits for each
PADDING_ID = 0  # in positions without an item; encoded ids start at 1

Ids = npt.NDArray[np.int32]
Times = npt.NDArray[np.int64]


@dataclass(frozen=True)
class UserHistories:
    """Padded histories, newest first.

    Attributes:
        item_ids: encoded item ids, int32 [q, LENGTH], `PADDING_ID` after the end of a history.
        timestamps: unix seconds, int64 [q, LENGTH], 0 after the end of a history.
    """

    item_ids: Ids
    timestamps: Times

    @classmethod
    def empty(cls, rows: int) -> "UserHistories":
        """Returns empty histories, as of anonymous users."""
        return cls(np.full((rows, LENGTH), PADDING_ID, np.int32), np.zeros((rows, LENGTH), np.int64))

    def at(self, rows: npt.NDArray[np.int64]) -> "UserHistories":
        """Returns the histories at some row indices."""
        return UserHistories(self.item_ids[rows], self.timestamps[rows])

    def before(self, now: npt.ArrayLike) -> "UserHistories":
        """Keeps the interactions strictly before a moment per row (unix seconds [q]), without gaps."""
        is_padding = self.item_ids == PADDING_ID
        removed = (self.timestamps >= np.asarray(now, np.int64)[:, None]) & ~is_padding
        if not removed.any():  # nearly always, because a request is about the present
            return self
        removed |= is_padding
        order = np.argsort(removed, axis=1, kind="stable")
        items = np.take_along_axis(np.where(removed, np.int32(PADDING_ID), self.item_ids), order, axis=1)
        return UserHistories(items, np.take_along_axis(np.where(removed, 0, self.timestamps), order, axis=1))

    def hours(self, now: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Returns hours from interactions to a moment per row (unix seconds [q]), float32 [q, LENGTH]; 0 at padding."""
        past = (np.asarray(now, np.int64)[:, None] - self.timestamps) / HOUR_SECONDS
        return np.where(self.item_ids == PADDING_ID, 0, past).astype(np.float32)


@dataclass(frozen=True)
class InteractionLog:
    """All interactions sorted by user and time. A history is a slice of the log, so training rows need no copies.

    Attributes:
        keys: user id << 32 | timestamp, ascending, int64 [n].
        item_ids: encoded item ids, int32 [n].
        only_history: True for interactions that are read and do not teach, bool [n] (see `rec_assets.sources.roles`).
    """

    keys: npt.NDArray[np.int64]
    item_ids: Ids
    only_history: npt.NDArray[np.bool_]

    @classmethod
    def of(
        cls,
        user_ids: npt.ArrayLike,
        timestamps: npt.ArrayLike,
        item_ids: npt.ArrayLike,
        only_history: npt.NDArray[np.bool_] | None = None,
    ) -> "InteractionLog":
        """Sorts interactions [n] by user, second and item; without `only_history`, all teach."""
        keys, items = _keys(user_ids, timestamps), np.asarray(item_ids, np.int32)
        flags = np.zeros(len(keys), np.bool_) if only_history is None else only_history
        return cls(keys, items, flags).at(np.lexsort((items, keys)))

    @classmethod
    def merged(cls, logs: "Sequence[InteractionLog]") -> "InteractionLog":
        """Returns the interactions of all logs; of equal ones, those of earlier logs come first."""
        keys, items, flags = (
            np.concatenate([getattr(log, name) for log in logs]) for name in ("keys", "item_ids", "only_history")
        )
        return cls(keys, items, flags).at(np.lexsort((items, keys)))

    def at(self, index: npt.NDArray[Any]) -> "InteractionLog":
        """Returns the interactions at some positions, or of a mask; positions must keep the order of the log."""
        return InteractionLog(self.keys[index], self.item_ids[index], self.only_history[index])

    @property
    def targets(self) -> "InteractionLog":
        """Returns the interactions that teach."""
        return self.at(~self.only_history) if self.only_history.any() else self

    def slices(self, user_ids: npt.ArrayLike, timestamps: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """Returns begin and end of the history of each user (raw id) at a time, int64 [q, 2]; empty for user -1.

        Events of the same second are excluded, because basket lines must not predict each other.
        """
        users = np.asarray(user_ids, np.int64)
        moments = _keys(users, timestamps)
        # In order, because jumps through millions of keys took eight times as long.
        order = np.argsort(moments)
        first, end = np.empty((2, len(users)), np.int64)
        first[order] = np.searchsorted(self.keys, users[order] << 32)
        end[order] = np.searchsorted(self.keys, moments[order])
        ends = np.where(users < 0, first, end)
        return np.stack([np.maximum(first, ends - LENGTH), ends], axis=1)

    def gather(self, slices: npt.NDArray[np.int64]) -> UserHistories:
        """Returns the histories of `slices`: begin and end, int64 [q, 2]."""
        positions = slices[:, 1:] - 1 - np.arange(LENGTH)
        mask = positions >= slices[:, :1]
        if not len(self.keys):
            return UserHistories.empty(len(slices))
        positions = np.where(mask, positions, 0)
        items = np.where(mask, self.item_ids[positions], np.int32(PADDING_ID))
        return UserHistories(items, np.where(mask, _seconds(self.keys[positions]), 0))

    @property
    def user_ids(self) -> npt.NDArray[np.int64]:
        """Raw user id of each interaction, int64 [n]."""
        return self.keys >> 32

    @property  # not cached: it would take as much memory as the keys
    def timestamps(self) -> Times:
        """Unix second of each interaction, int64 [n]."""
        return _seconds(self.keys)

    def until(self, end: int) -> "InteractionLog":
        """Returns the interactions before a moment (unix seconds)."""
        return self.at(self.timestamps < end)

    def of_users(self, user_ids: npt.ArrayLike) -> "InteractionLog":
        """Returns the interactions of some users (raw ids)."""
        users = np.unique(np.asarray(user_ids, np.int64))
        begin, end = (np.searchsorted(self.keys, edge << 32) for edge in (users, users + 1))
        positions = np.concatenate([np.arange(0), *map(np.arange, begin, end)])
        return self.at(positions)

    def save(self, file: Path) -> None:
        """Writes one npz file."""
        # A shop without such interactions keeps the digests of earlier releases.
        flags = {"only_history": self.only_history} if self.only_history.any() else {}
        np.savez(file, keys=self.keys, item_ids=self.item_ids, **flags)

    @classmethod
    def load(cls, file: Path) -> "InteractionLog":
        """Reads a file of `save`."""
        with np.load(file) as arrays:
            keys = arrays["keys"]
            flags = arrays["only_history"] if "only_history" in arrays.files else np.zeros(len(keys), np.bool_)
            return cls(keys, arrays["item_ids"], flags)


def latest_events(interactions: "pl.LazyFrame", length: int = LENGTH) -> "pl.LazyFrame":
    """Returns the latest interactions of each user, newest first per user: user_id, item_id, timestamp."""
    import polars as pl

    newest = interactions.select("user_id", "item_id", "timestamp").sort(
        ["user_id", "timestamp", "item_id"], descending=[False, True, True]
    )
    return newest.filter(pl.int_range(pl.len()).over("user_id") < length)


def _keys(user_ids: npt.ArrayLike, timestamps: Any) -> npt.NDArray[np.int64]:
    return np.asarray(user_ids, np.int64) << 32 | np.asarray(timestamps, np.int64)


def _seconds(keys: npt.NDArray[np.int64]) -> Times:
    return keys & 0xFFFF_FFFF
