"""The latest items of each user, in order."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import LENGTH, MAX_ID, Ids, Times
from rec_assets.storage.valkey import keys
from rec_assets.storage.valkey.client import Valkey, translate_redis_errors
from rec_assets.storage.valkey.round_trip import RoundTrip, packed

NO_ITEM = -1
_DIGITS = 10  # of an item id in a member, and of a time since 2001
_MEMBER = re.compile(rb"(\d{1,10}):(\d{1,10})")
_LAST = b"%d" % (LENGTH - 1)
_POWERS = 10 ** np.arange(_DIGITS - 1, -1, -1, dtype=np.int64)


class RecentItems:
    """Sorted sets `keys.recent_items`: the latest `history.LENGTH` interactions by unix time.

    A member is `{time}:{item}`. A repeated interaction with an item is another member, and a duplicate event is not.
    Interactions of one second are ordered by item id. If the client is a pipeline, additions join its transaction.
    """

    USERS_AT_ONCE = 1000  # users per pipeline of `add_all`

    def __init__(self, client: Valkey, keep_days: int = 0) -> None:
        """Uses a client; a history ends `keep_days` days after its last addition, with 0 never."""
        self._client = client
        self._keep = timedelta(days=keep_days)

    @staticmethod
    def key(user_id: int) -> str:
        """Returns the key of a user's sorted set."""
        return keys.recent_items(user_id)

    def add(self, user_id: int, item_ids: Sequence[int], at: int) -> None:
        """Records interactions of a user with one or more items at a unix time; duplicates change nothing."""
        self._put(self._client, user_id, item_ids, [at] * len(item_ids))

    def add_each(self, user_id: int, interactions: Sequence[tuple[int, int]]) -> None:
        """Records interactions of a user; duplicates change nothing.

        Args:
            user_id: raw user id.
            interactions: at least one pair of item id and unix time.
        """
        self._put(self._client, user_id, [item for item, _ in interactions], [at for _, at in interactions])

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
                    self._put(pipeline, user, item_ids[mine].tolist(), timestamps[mine].tolist())
                pipeline.execute()

    def _put(self, client: Valkey, user_id: int, item_ids: Sequence[int], timestamps: Sequence[int]) -> None:
        key = self.key(user_id)
        members: dict[str | bytes, bytes | float | int | str] = {
            f"{at}:{item:010d}": at for item, at in zip(item_ids, timestamps, strict=True)
        }
        client.zadd(key, members)
        client.zremrangebyrank(key, 0, -LENGTH - 1)
        if self._keep:
            client.expire(key, self._keep)

    def latest(self, user_id: int, k: int = LENGTH) -> list[tuple[int, int]]:
        """Returns at most `k` pairs of item id and unix time, newest first; within a second, larger ids first."""
        return _interactions(self._client.zrevrange(self.key(user_id), 0, k - 1))

    def since(self, starts: Mapping[int, int]) -> "Interactions":
        """Returns interactions from each user's start on, in one round trip.

        Args:
            starts: earliest unix time by user id.
        """
        commands = [
            packed(b"ZREVRANGEBYSCORE", self.key(user_id).encode(), b"+inf", b"%d" % start)
            for user_id, start in starts.items()
        ]
        counts, rows = _rows(RoundTrip(self._client)(commands))
        return Interactions(np.repeat(np.fromiter(starts, np.int64, len(starts)), counts), rows[:, 1], rows[:, 0])

    def histories(self, user_ids: npt.NDArray[np.int32]) -> tuple[Ids, Times]:
        """Reads the interactions of several users [B] in one round trip; returns them as `histories_of`."""
        return self.histories_of(RoundTrip(self._client)(self.commands(user_ids)))

    @classmethod
    def commands(cls, user_ids: npt.NDArray[np.int32]) -> list[bytes]:
        """Returns the packed command that reads the history of each user [B]."""
        return [packed(b"ZREVRANGE", cls.key(user_id).encode(), b"0", _LAST) for user_id in user_ids.tolist()]

    @staticmethod
    def histories_of(answers: Sequence[Sequence[bytes] | None]) -> tuple[Ids, Times]:
        """Returns the histories in the answers to `commands` [B], in the order of `latest`.

        Returns:
            Raw item ids int32 [B, LENGTH], padded with -1, and unix times int64 [B, LENGTH], padded with 0.
        """
        counts, rows = _rows(answers)
        items = np.full((len(answers), LENGTH), NO_ITEM, np.int32)
        times = np.zeros((len(answers), LENGTH), np.int64)
        mask = np.arange(LENGTH) < np.array(counts)[:, None]
        times[mask], items[mask] = rows.T
        return items, times


@dataclass(frozen=True)
class Interactions:
    """Interactions of several users, one user after the other, each in the order of `RecentItems.latest`.

    Attributes:
        user_ids: int64 [n].
        item_ids: int64 [n].
        times: unix seconds, int64 [n].
    """

    user_ids: npt.NDArray[np.int64]
    item_ids: npt.NDArray[np.int64]
    times: npt.NDArray[np.int64]

    def where(self, chosen: npt.NDArray[np.bool_]) -> "Interactions":
        """Returns the chosen interactions; `chosen` is bool [n]."""
        return Interactions(self.user_ids[chosen], self.item_ids[chosen], self.times[chosen])


def _rows(answers: Sequence[Sequence[bytes] | None]) -> tuple[list[int], npt.NDArray[np.int64]]:
    """Returns the number of readable members of each answer, and unix time and item id of all, int64 [n, 2].

    NumPy parses the members of all users at once, because a batch has thousands of them.
    """
    parsed = _parsed([member for answer in answers for member in answer or ()])
    if parsed is not None:
        return [len(answer or ()) for answer in answers], parsed
    rows = [_readable(answer or ()) for answer in answers]  # a member is damaged, or older than 2001
    return [len(one) for one in rows], np.array([pair for one in rows for pair in one], np.int64).reshape(-1, 2)


def _parsed(members: Sequence[bytes]) -> npt.NDArray[np.int64] | None:
    """Returns unix time and item id of each member, int64 [n, 2]; None unless both have ten digits in all members."""
    text = b"".join(members)
    if len(text) != len(members) * (2 * _DIGITS + 1):
        return None
    signs = np.frombuffer(text, np.uint8).reshape(-1, 2 * _DIGITS + 1)
    digits = np.delete(signs, _DIGITS, axis=1) - ord("0")  # unsigned: other signs are larger than 9
    if (signs[:, _DIGITS] != ord(":")).any() or (digits > 9).any():
        return None
    numbers = digits.reshape(-1, 2, _DIGITS) @ _POWERS
    return None if (numbers > MAX_ID).any() else numbers


def _readable(members: Iterable[bytes]) -> list[tuple[int, int]]:
    """Returns unix time and item id of each member; leaves out damaged members."""
    found = (_MEMBER.fullmatch(member) for member in members)
    pairs = ((int(one[1]), int(one[2])) for one in found if one is not None)
    return [(at, item) for at, item in pairs if at <= MAX_ID and item <= MAX_ID]


def _interactions(answer: Iterable[bytes] | None) -> list[tuple[int, int]]:
    """Returns pairs of item id and unix time; leaves out damaged members. None is the answer for a damaged key."""
    return [(item, at) for at, item in _readable(answer or ())]
