"""The latest items of each user, in order."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import LENGTH, Ids, Times
from rec_assets.storage.valkey import Valkey, translate_redis_errors

NO_ITEM = -1


class RecentItems:
    """Sorted sets `user:{user_id}:recent_items` in db 1: the latest `history.LENGTH` interactions by unix time.

    A member is `{time}:{item}`. A repeated interaction with an item is another member, and a duplicate event is not.
    Interactions of one second are ordered by item id. If the client is a pipeline, additions join its transaction.
    """

    DB = 1
    USERS_AT_ONCE = 1000  # users per pipeline of `add_all`

    def __init__(self, client: Valkey) -> None:
        self._client = client

    @staticmethod
    def key(user_id: int) -> str:
        """Returns the key of a user's sorted set."""
        return f"user:{user_id}:recent_items"

    def add(self, user_id: int, item_ids: Sequence[int], at: int) -> None:
        """Records interactions of a user with one or more items at a unix time; duplicates change nothing."""
        _put(self._client, user_id, item_ids, [at] * len(item_ids))

    def add_each(self, user_id: int, interactions: Sequence[tuple[int, int]]) -> None:
        """Records interactions of a user; duplicates change nothing.

        Args:
            user_id: raw user id.
            interactions: at least one pair of item id and unix time.
        """
        _put(self._client, user_id, [item for item, _ in interactions], [at for _, at in interactions])

    def add_all(
        self,
        user_ids: npt.NDArray[np.integer[Any]],
        item_ids: npt.NDArray[np.integer[Any]],
        timestamps: npt.NDArray[np.integer[Any]],
    ) -> None:
        """Adds interactions of many users to the recorded ones; the arguments are [n] each, in any order.

        Raises:
            ActionableError: Valkey does not answer.
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
        """Returns at most `k` pairs of item id and unix time, newest first; within a second, larger ids first."""
        rows = self._client.zrevrange(self.key(user_id), 0, k - 1, withscores=True)
        return [(_item(member), int(at)) for member, at in rows]

    def since(self, starts: Mapping[int, int]) -> dict[int, list[tuple[int, int]]]:
        """Returns interactions from each user's start on, in the form and order of `latest`, in one round trip.

        Args:
            starts: earliest unix time by user id.
        """
        with self._client.pipeline(transaction=False) as pipeline:
            for user_id, start in starts.items():
                pipeline.zrevrangebyscore(self.key(user_id), "+inf", start, withscores=True)
            answers = pipeline.execute()
        rows = zip(starts, answers, strict=True)
        return {user_id: [(_item(member), int(at)) for member, at in answer] for user_id, answer in rows}

    def histories(self, user_ids: npt.NDArray[np.int32]) -> tuple[Ids, Times]:
        """Reads the interactions of several users in one round trip, in the order of `latest`.

        Args:
            user_ids: raw user ids [B].

        Returns:
            Raw item ids int32 [B, LENGTH], padded with -1, and unix times int64 [B, LENGTH], padded with 0.
        """
        with self._client.pipeline(transaction=False) as pipeline:
            for user_id in user_ids.tolist():
                pipeline.zrevrange(self.key(user_id), 0, LENGTH - 1)
            answers = pipeline.execute()
        # NumPy parses the members of all users at once, because a batch has thousands of them.
        members = b":".join(member for answer in answers for member in answer)
        parsed = np.fromstring(members, np.int64, sep=":").reshape(-1, 2)
        items = np.full((len(user_ids), LENGTH), NO_ITEM, np.int32)
        times = np.zeros((len(user_ids), LENGTH), np.int64)
        mask = np.arange(LENGTH) < np.array([[len(answer)] for answer in answers])
        times[mask], items[mask] = parsed.T
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
