"""Items that a user has seen lately and is not to be shown again: one Bloom filter a user."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.storage.valkey import Valkey, command

Ids = npt.NDArray[np.integer[Any]]


class SeenItems:
    """`bf:seen:{user_id}` in db 1, gone some days after the last addition.

    A filter never forgets an item, and takes one unseen item in a thousand for seen. On a pipeline as
    its client, additions become part of a transaction.
    """

    DB = 1
    ERROR_RATE = 0.001
    CAPACITY = 256  # items until a filter grows, to twice the size
    EXPANSION = 2

    def __init__(self, client: Valkey) -> None:
        self._client = client

    @staticmethod
    def key(user_id: int) -> str:
        """Returns the key of a user's filter."""
        return f"bf:seen:{user_id}"

    def add(self, user_id: int, item_ids: Sequence[int], days: int) -> None:
        """Marks one or more items as seen; the filter lives so many days from now."""
        reserve = ("CAPACITY", self.CAPACITY, "ERROR", self.ERROR_RATE, "EXPANSION", self.EXPANSION)
        # Reserves the filter where there is none, in the same step.
        command(self._client, "BF.INSERT", self.key(user_id), *reserve, "ITEMS", *item_ids)
        self._client.expire(self.key(user_id), timedelta(days=days))

    def contain(self, user_ids: Ids, item_ids: Ids, row_splits: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Asks the filters of several users about their own items, in one round trip.

        Args:
            user_ids: [B].
            item_ids: [N], those of all users one after the other.
            row_splits: int64 [B + 1], where each user's begin and end.

        Returns:
            bool [N], whether its user has seen the item.
        """
        rows = np.split(item_ids, row_splits[1:-1])
        with self._client.pipeline(transaction=False) as pipeline:
            for user_id, items in zip(user_ids.tolist(), rows, strict=True):
                if len(items):
                    command(pipeline, "BF.MEXISTS", self.key(user_id), *items.tolist())
            answers = pipeline.execute()
        return np.array([seen for answer in answers for seen in answer], np.bool_)
