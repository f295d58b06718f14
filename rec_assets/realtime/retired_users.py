"""Numbers of deleted people, whose events workers drop."""

from collections.abc import Iterable

from rec_assets.storage.keys import RETIRED_USERS
from rec_assets.storage.valkey import Valkey, command


class RetiredUsers:
    """The set `retired_users` of user ids."""

    KEY = RETIRED_USERS

    def __init__(self, client: Valkey) -> None:
        self._client = client

    def add(self, user_id: int) -> None:
        """Retires a user id."""
        self._client.sadd(self.KEY, user_id)

    def among(self, user_ids: Iterable[int]) -> set[int]:
        """Returns those of some user ids that are retired, in one round trip; raises RedisError."""
        users = sorted(set(user_ids))
        if not users:
            return set()
        found = command(self._client, "SMISMEMBER", self.KEY, *users)
        return {user for user, is_retired in zip(users, found, strict=True) if is_retired}
