"""What is popular now, overall and within categories."""

from typing import TypeAlias

import polars as pl

from rec_assets.realtime.valkey import Valkey, connect, explained
from rec_assets.settings import Settings

Counts: TypeAlias = dict[str | bytes, bytes | float | int | str]  # as zadd wants them


class Trending:
    """Sorted sets of item ids by interactions in db 3.

    Keys: `trending:global`, `trending:cat_l1:{category}` and `trending:cat_l2:{category}`.
    """

    DB = 3
    GLOBAL = "trending:global"

    def __init__(self, client: Valkey) -> None:
        self._client = client

    @classmethod
    def connect(cls, settings: Settings) -> "Trending":
        """Returns the popularity in the settings' Valkey; connects at the first use."""
        return cls(connect(settings, cls.DB))

    def replace(self, popularity: pl.DataFrame) -> None:
        """Replaces all sets at once: a reader finds the old ones or the new ones, never some of each.

        Args:
            popularity: item_id, category_l1, category_l2, interactions (`features.popularity.item_popularity`); items
                nobody chose are left out.

        Raises:
            ActionableError: Valkey is away.
        """
        sets = _sets(popularity.filter(pl.col("interactions") > 0))
        with explained(self._client):
            stale = list(self._client.scan_iter("trending:*", count=1000))
            with self._client.pipeline(transaction=True) as pipeline:
                if stale:
                    pipeline.delete(*stale)
                for key, counts in sets.items():
                    pipeline.zadd(key, counts)
                pipeline.execute()

    def top(self, k: int, *, category_l1: int | None = None, category_l2: int | None = None) -> list[tuple[int, int]]:
        """Returns at most `k` pairs of item id and interactions, most popular first, of the narrowest given category.

        Raises:
            ActionableError: Valkey is away.
        """
        key = self.GLOBAL
        if category_l1 is not None:
            key = f"trending:cat_l1:{category_l1}"
        if category_l2 is not None:
            key = f"trending:cat_l2:{category_l2}"
        with explained(self._client):
            rows = self._client.zrevrange(key, 0, k - 1, withscores=True)
        return [(int(item), int(count)) for item, count in rows]


def _sets(popularity: pl.DataFrame) -> dict[str, Counts]:
    sets: dict[str, Counts] = {}
    for item, l1, l2, count in popularity.select("item_id", "category_l1", "category_l2", "interactions").iter_rows():
        for key in (Trending.GLOBAL, f"trending:cat_l1:{l1}", f"trending:cat_l2:{l2}"):
            sets.setdefault(key, {})[str(item)] = count
    return sets
