"""Current popularity of items, overall and within categories."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeAlias

import polars as pl

from rec_assets.features.store.unavailable import UnavailableItems
from rec_assets.realtime.behavior_log import day_of
from rec_assets.realtime.events import Event
from rec_assets.settings import Settings
from rec_assets.storage.valkey import Valkey, connect, translate_redis_errors, valkey_span


@dataclass(frozen=True)
class Counted:
    """An event to count, with the categories of its item."""

    event: Event
    category_l1: int
    category_l2: int

    def words(self) -> tuple[str | int, ...]:
        """Returns the arguments of the script: day, key of the event, item and categories."""
        event = self.event
        key = f"{event.user_id}:{event.item_id}:{event.at}"
        return day_of(event.at), key, event.item_id or 0, self.category_l1, self.category_l2


PAGE = 100  # items that `top` reads at once

Counts: TypeAlias = dict[str | bytes, bytes | float | int | str]  # the argument type of zadd


# Counts each event of a day once: the test for duplicates and the increments are one atomic script.
_COUNT = """
for i = 2, #ARGV, 5 do
  local day, event, item, l1, l2 = unpack(ARGV, i, i + 4)
  local filter = 'counted:' .. day
  local new = redis.call('BF.INSERT', filter, 'CAPACITY', 4096, 'ERROR', 0.001, 'EXPANSION', 2, 'ITEMS', event)[1]
  if new == 1 then
    for _, name in ipairs({'global', 'cat_l1:' .. l1, 'cat_l2:' .. l2}) do
      redis.call('ZINCRBY', 'trending:' .. name, 1, item)
      redis.call('ZINCRBY', 'online:' .. day .. ':' .. name, 1, item)
      redis.call('EXPIRE', 'online:' .. day .. ':' .. name, ARGV[1])
    end
    redis.call('EXPIRE', filter, ARGV[1])
  end
end
"""


class Trending:
    """Sorted sets of item ids by interactions, in db 3.

    `trending:global`, `trending:cat_l1:{category}` and `trending:cat_l2:{category}` hold the counts of the batch's
    week, plus the online counts of later days. `online:{day}:…` holds the online counts of one day. The Bloom filter
    `counted:{day}` holds the counted events; because of it, one new event in a thousand is not counted.
    """

    DB = 3
    GLOBAL = "trending:global"
    KEPT = timedelta(days=8)  # lifetime of online counts; the batch of their day replaces them earlier

    def __init__(self, client: Valkey) -> None:
        self._client = client
        self._count = client.register_script(_COUNT)

    @classmethod
    def connect(cls, settings: Settings) -> "Trending":
        """Returns the popularity in the settings' Valkey; connects at first use."""
        return cls(connect(settings, cls.DB))

    def count(self, counted: Iterable[Counted]) -> None:
        """Counts events, duplicates once; raises RedisError."""
        words = [word for one in counted for word in one.words()]
        if words:
            self._count(args=[int(self.KEPT.total_seconds()), *words])

    def replace(self, popularity: pl.DataFrame, day: str = "") -> None:
        """Replaces all sets in one transaction, so that readers never get a mix of old and new sets.

        Args:
            popularity: columns item_id, category_l1, category_l2, interactions (`features.popularity.item_popularity`);
                items without interactions are left out.
            day: last day of `popularity`; online counts of later days are added.

        Raises:
            ActionableError: Valkey does not answer.
        """
        sets = _sets(popularity.filter(pl.col("interactions") > 0))
        with translate_redis_errors(self._client):
            stale = list(self._client.scan_iter("trending:*", count=1000))
            since = [key.decode() for key in self._client.scan_iter("online:*", count=1000)] if day else []
            with self._client.pipeline(transaction=True) as pipeline:
                if stale:
                    pipeline.delete(*stale)
                for key, counts in sets.items():
                    pipeline.zadd(key, counts)
                for key in since:
                    _, counted_on, name = key.split(":", 2)
                    if counted_on > day:
                        pipeline.zunionstore(f"trending:{name}", [f"trending:{name}", key])
                pipeline.execute()

    def top(self, k: int, *, category_l1: int | None = None, category_l2: int | None = None) -> list[tuple[int, int]]:
        """Returns at most `k` pairs of item id and interactions of available items, most popular first.

        Args:
            k: maximum number of pairs.
            category_l1: restricts the items to this level-1 category.
            category_l2: restricts the items to this level-2 category, and overrides `category_l1`.

        Raises:
            ActionableError: Valkey does not answer.
        """
        key = self.GLOBAL
        if category_l1 is not None:
            key = f"trending:cat_l1:{category_l1}"
        if category_l2 is not None:
            key = f"trending:cat_l2:{category_l2}"
        found: list[tuple[int, int]] = []
        with translate_redis_errors(self._client), valkey_span("trending"):
            unavailable = set(UnavailableItems(self._client).items().tolist())
            for start in itertools.count(step=max(k, PAGE)):
                rows = self._client.zrevrange(key, start, start + max(k, PAGE) - 1, withscores=True)
                found += [(int(item), int(count)) for item, count in rows if int(item) not in unavailable]
                if len(found) >= k or len(rows) < max(k, PAGE):
                    return found[:k]
        raise AssertionError("the pages of a sorted set end")


def _sets(popularity: pl.DataFrame) -> dict[str, Counts]:
    sets: dict[str, Counts] = {}
    for item, l1, l2, count in popularity.select("item_id", "category_l1", "category_l2", "interactions").iter_rows():
        for key in (Trending.GLOBAL, f"trending:cat_l1:{l1}", f"trending:cat_l2:{l2}"):
            sets.setdefault(key, {})[str(item)] = count
    return sets
