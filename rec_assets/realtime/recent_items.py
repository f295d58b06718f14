"""The latest items of each user, in order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import LENGTH, Ids, Times
from rec_assets.storage.valkey import Valkey, translate_redis_errors

NO_ITEM = -1


class RecentItems:
    """`user:{user_id}:recent_items` in db 1: a sorted set of interactions by unix time, the latest `history.LENGTH`.

    A member is `{time}:{item}`, so that an item chosen again is there again, the same interaction is there once, and
    those of one second are ordered by item. On a pipeline as its client, additions become part of a transaction.
    """

    DB = 1
    USERS_AT_ONCE = 1000  # users a pipeline, where there are many

    def __init__(self, client: Valkey) -> None:
        self._client = client

    @staticmethod
    def key(user_id: int) -> str:
        """Returns the key of a user's sorted set."""
        return f"user:{user_id}:recent_items"

    def add(self, user_id: int, item_ids: Sequence[int], at: int) -> None:
        """Records that a user chose one or more items at a unix time; adding it again changes nothing."""
        _put(self._client, user_id, item_ids, [at] * len(item_ids))

    def add_each(self, user_id: int, chosen: Sequence[tuple[int, int]]) -> None:
        """Records that a user chose items, pairs of item id and unix time, at least one; again changes nothing."""
        _put(self._client, user_id, [item for item, _ in chosen], [at for _, at in chosen])

    def add_all(
        self,
        user_ids: npt.NDArray[np.integer[Any]],
        item_ids: npt.NDArray[np.integer[Any]],
        timestamps: npt.NDArray[np.integer[Any]],
    ) -> None:
        """Records interactions of many users, [n] each, in any order; what is there already stays.

        Raises:
            ActionableError: Valkey is away.
        """
        order = np.argsort(user_ids, kind="stable")
        users, starts = np.unique(user_ids[order], return_index=True)
        for first in range(0, len(users), self.USERS_AT_ONCE):
            chunk = slice(first, first + self.USERS_AT_ONCE)
            ends = np.append(starts[1:], len(order))[chunk]
            with translate_redis_errors(self._client), self._client.pipeline(transaction=False) as pipeline:
                for user, start, end in zip(users[chunk].tolist(), starts[chunk], ends, strict=True):
                    mine = order[start:end]
                    _put(pipeline, user, item_ids[mine].tolist(), timestamps[mine].tolist())
                pipeline.execute()

    def latest(self, user_id: int, k: int = LENGTH) -> list[tuple[int, int]]:
        """Returns at most `k` pairs of item id and unix time, newest first; of one second, the larger item first."""
        rows = self._client.zrevrange(self.key(user_id), 0, k - 1, withscores=True)
        return [(_item(member), int(at)) for member, at in rows]

    def since(self, starts: Mapping[int, int]) -> dict[int, list[tuple[int, int]]]:
        """Returns what users chose from a unix time of each on, as `latest` does, in one round trip."""
        with self._client.pipeline(transaction=False) as pipeline:
            for user_id, start in starts.items():
                pipeline.zrevrangebyscore(self.key(user_id), "+inf", start, withscores=True)
            answers = pipeline.execute()
        rows = zip(starts, answers, strict=True)
        return {user_id: [(_item(member), int(at)) for member, at in answer] for user_id, answer in rows}

    def histories(self, user_ids: npt.NDArray[np.int32]) -> tuple[Ids, Times]:
        """Reads the interactions of several users in one round trip, each as `latest` does.

        Args:
            user_ids: raw [B].

        Returns:
            Raw item ids int32 [B, LENGTH], -1 where there are fewer, and unix times int64 [B, LENGTH], there 0.
        """
        with self._client.pipeline(transaction=False) as pipeline:
            for user_id in user_ids.tolist():
                pipeline.zrevrange(self.key(user_id), 0, LENGTH - 1, withscores=True)
            answers = pipeline.execute()
        items = np.full((len(user_ids), LENGTH), NO_ITEM, np.int32)
        times = np.zeros((len(user_ids), LENGTH), np.int64)
        for row, answer in enumerate(answers):
            items[row, : len(answer)] = [_item(member) for member, _ in answer]
            times[row, : len(answer)] = [at for _, at in answer]
        return items, times


def _put(client: Valkey, user_id: int, item_ids: Sequence[int], timestamps: Sequence[int]) -> None:
    key = RecentItems.key(user_id)
    members: dict[str | bytes, bytes | float | int | str] = {
        f"{at}:{item:010d}": at for item, at in zip(item_ids, timestamps, strict=True)
    }
    client.zadd(key, members)
    client.zremrangebyrank(key, 0, -LENGTH - 1)


def _item(member: bytes) -> int:
    return int(member.rpartition(b":")[2])
