"""A user's doings, recorded everywhere they matter at once, and forgotten the same way."""

from collections.abc import Sequence

from rec_assets.realtime.recent_items import RecentItems
from rec_assets.realtime.seen_items import SeenItems
from rec_assets.realtime.valkey import Valkey, connect, explained
from rec_assets.settings import Settings


class History:
    """Seen and recent items of users; both live in one database, so that each change is one transaction."""

    def __init__(self, client: Valkey) -> None:
        self.seen_items = SeenItems(client)
        self.recent_items = RecentItems(client)
        self._client = client

    @classmethod
    def connect(cls, settings: Settings) -> "History":
        """Returns the history in the settings' Valkey; connects at the first use."""
        return cls(connect(settings, SeenItems.DB))

    def record(self, user_id: int, item_ids: Sequence[int], at: int) -> None:
        """Records that a user saw items at a unix time; recording it again changes nothing.

        Raises:
            ActionableError: Valkey is away, or has no Bloom filters.
        """
        if not item_ids:
            return
        with explained(self._client), self._client.pipeline(transaction=True) as pipeline:
            SeenItems(pipeline).add(user_id, item_ids)
            RecentItems(pipeline).add(user_id, item_ids, at)
            pipeline.execute()

    def flush(self, user_id: int) -> bool:
        """Forgets a user's seen and recent items; returns whether there were any.

        Raises:
            ActionableError: Valkey is away.
        """
        with explained(self._client):
            return bool(self._client.delete(SeenItems.key(user_id), RecentItems.key(user_id)))
