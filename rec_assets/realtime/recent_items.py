"""What each user touched last, in order."""

from collections.abc import Sequence

from rec_assets.realtime.valkey import Valkey


class RecentItems:
    """`user:{user_id}:recent_items` in db 1: a sorted set of item ids by unix time, the latest 200.

    On a pipeline as its client, additions become part of a transaction.
    """

    DB = 1
    LENGTH = 200

    def __init__(self, client: Valkey) -> None:
        self._client = client

    @staticmethod
    def key(user_id: int) -> str:
        """Returns the key of a user's sorted set."""
        return f"user:{user_id}:recent_items"

    def add(self, user_id: int, item_ids: Sequence[int], at: int) -> None:
        """Records one or more items at a unix time; one that is there keeps its latest time."""
        times: dict[str | bytes, bytes | float | int | str] = {str(item): at for item in item_ids}
        self._client.zadd(self.key(user_id), times, gt=True)  # late and repeated events change nothing
        self._client.zremrangebyrank(self.key(user_id), 0, -self.LENGTH - 1)

    def latest(self, user_id: int, k: int = LENGTH) -> list[tuple[int, int]]:
        """Returns at most `k` pairs of item id and unix time, newest first."""
        rows = self._client.zrevrange(self.key(user_id), 0, k - 1, withscores=True)
        return [(int(item), int(at)) for item, at in rows]
