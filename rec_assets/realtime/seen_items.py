"""Recently seen items that are not recommended again: one Bloom filter per user."""

from collections.abc import Sequence
from datetime import timedelta
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.storage import keys
from rec_assets.storage.round_trip import RoundTrip, packed
from rec_assets.storage.valkey import Valkey, command

Ids = npt.NDArray[np.integer[Any]]


class SeenItems:
    """Bloom filters `keys.seen_items`, deleted some days after the last addition.

    A filter contains every added item, and one unseen item in a thousand. If the client is a pipeline, additions join
    its transaction.
    """

    ERROR_RATE = 0.001
    CAPACITY = 256  # items before a filter grows by EXPANSION
    EXPANSION = 2

    def __init__(self, client: Valkey) -> None:
        self._client = client

    @staticmethod
    def key(user_id: int) -> str:
        """Returns the key of a user's filter."""
        return keys.seen_items(user_id)

    def add(self, user_id: int, item_ids: Sequence[int], days: int) -> None:
        """Marks one or more items as seen; the user's filter is deleted `days` days from now."""
        self._insert(user_id, item_ids)
        self._client.expire(self.key(user_id), timedelta(days=days))

    def add_for(self, user_id: int, item_ids: Sequence[int], seconds: int) -> None:
        """Marks items as seen for at least some seconds; a filter that lives longer keeps its lifetime."""
        self._insert(user_id, item_ids)
        for condition in ("NX", "GT"):  # a new filter has no lifetime, which counts as the longest
            command(self._client, "EXPIRE", self.key(user_id), seconds, condition)

    def contain(self, user_ids: Ids, item_ids: Ids, row_splits: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Looks items up in the filters of several users, in one round trip.

        Args:
            user_ids: raw user ids [B].
            item_ids: raw item ids [N], all items of the first user, then of the second, and so on.
            row_splits: int64 [B + 1]; items `row_splits[b]` to `row_splits[b + 1]` belong to user `b`.

        Returns:
            bool [N], True for items that their user has seen; False for a user whose filter is damaged.
        """
        rows = np.split(item_ids, row_splits[1:-1])
        answers = RoundTrip(self._client)(
            [
                packed(b"BF.MEXISTS", self.key(user_id).encode(), numbers=items.tolist())
                for user_id, items in zip(user_ids.tolist(), rows, strict=True)
                if len(items)
            ]
        )
        if any(answer is None for answer in answers):
            asked = [len(items) for items in rows if len(items)]
            answers = [[0] * n if answer is None else answer for n, answer in zip(asked, answers, strict=True)]
        return np.fromiter(chain.from_iterable(answers), np.bool_)

    def _insert(self, user_id: int, item_ids: Sequence[int]) -> None:
        """Adds items; also creates a missing filter."""
        reserve = ("CAPACITY", self.CAPACITY, "ERROR", self.ERROR_RATE, "EXPANSION", self.EXPANSION)
        command(self._client, "BF.INSERT", self.key(user_id), *reserve, "ITEMS", *item_ids)
