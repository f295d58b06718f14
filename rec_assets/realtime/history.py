"""A user's doings, recorded everywhere they matter at once."""

from collections.abc import Sequence
from typing import Literal

from rec_assets.realtime.recent_items import RecentItems
from rec_assets.realtime.seen_items import SeenItems
from rec_assets.realtime.valkey import Valkey, connect, explained
from rec_assets.settings import Settings

Kind = Literal["clicked", "bought"]


class History:
    """Seen and recent items of users; both live in one database, so that each change is one transaction."""

    def __init__(self, client: Valkey, settings: Settings) -> None:
        """Takes a client of db 1, and what is to be filtered, for how long."""
        self.seen_items = SeenItems(client)
        self.recent_items = RecentItems(client)
        self._client = client
        self._settings = settings

    @classmethod
    def connect(cls, settings: Settings) -> "History":
        """Returns the history in the settings' Valkey; connects at the first use."""
        return cls(connect(settings, SeenItems.DB), settings)

    def record(self, user_id: int, item_ids: Sequence[int], at: int, kind: Kind = "clicked") -> None:
        """Records that a user chose items at a unix time; recording it again changes nothing.

        They become his history, and are filtered where `seen_filter` says so.

        Raises:
            ActionableError: Valkey is away, or has no Bloom filters.
        """
        if not item_ids:
            return
        with explained(self._client), self._client.pipeline(transaction=True) as pipeline:
            RecentItems(pipeline).add(user_id, item_ids, at)
            if self._settings.seen_filter in ("clicked", kind):  # who bought has clicked
                SeenItems(pipeline).add(user_id, item_ids, self._settings.seen_days)
            pipeline.execute()

    def flush(self, user_id: int) -> bool:
        """Forgets what is filtered for a user, not what he chose; returns whether there was anything.

        Raises:
            ActionableError: Valkey is away.
        """
        with explained(self._client):
            return bool(self._client.delete(SeenItems.key(user_id)))
