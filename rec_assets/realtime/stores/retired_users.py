"""Numbers of deleted people, whose events workers drop, and of those whose stored days are still to be rewritten."""

from collections.abc import Iterable
from typing import Any

from rec_assets.storage.valkey.client import Valkey, command
from rec_assets.storage.valkey.keys import RETIRED_USERS, USERS_TO_FORGET


class RetiredUsers:
    """The set `retired_users` of user ids, and the set `users_to_forget` of those of them that still have rows.

    All methods raise RedisError.
    """

    KEY = RETIRED_USERS

    def __init__(self, client: Valkey) -> None:
        self._client: Any = client

    def add(self, user_id: int) -> None:
        """Retires a user id, whose rows are still to be deleted."""
        self._client.sadd(USERS_TO_FORGET, user_id)  # first, so that no retired id is without its deletion
        self._client.sadd(self.KEY, user_id)

    def among(self, user_ids: Iterable[int]) -> set[int]:
        """Returns those of some user ids that are retired, in one round trip."""
        return self._members(self.KEY, user_ids)

    def waiting(self) -> list[int]:
        """Returns the retired ids whose rows are still to be deleted, ascending."""
        return sorted(map(int, self._client.smembers(USERS_TO_FORGET)))

    def is_waiting(self, user_id: int) -> bool:
        """Returns whether rows of a user are still to be deleted."""
        return bool(self._members(USERS_TO_FORGET, [user_id]))

    def finish(self, user_id: int) -> None:
        """Records that no rows of a user are left."""
        self._client.srem(USERS_TO_FORGET, user_id)

    def _members(self, key: str, user_ids: Iterable[int]) -> set[int]:
        users = sorted(set(user_ids))
        if not users:
            return set()
        found = command(self._client, "SMISMEMBER", key, *users)
        return {user for user, is_member in zip(users, found, strict=True) if is_member}
