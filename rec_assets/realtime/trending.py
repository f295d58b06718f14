"""Current popularity of items, overall and within categories."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TypeAlias

import polars as pl
from redis.commands.core import Script

from rec_assets.features.store.unavailable import UnavailableItems
from rec_assets.realtime.behavior_log import day_of
from rec_assets.realtime.events import Event
from rec_assets.settings import Settings
from rec_assets.storage.keys import TRENDING, trending
from rec_assets.storage.valkey import Valkey, connect, transaction, translate_redis_errors


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


# Counts each event of a day once: the test for duplicates and the increments are one atomic script. All its keys begin
# with KEYS[1], whose braces put them into one slot.
_COUNT = """
local function count(name, item, lifetime)
  redis.call('ZINCRBY', KEYS[1] .. ':' .. name, 1, item)
  redis.call('SADD', KEYS[1] .. ':names', name)
  if lifetime then redis.call('EXPIRE', KEYS[1] .. ':' .. name, lifetime) end
end
for i = 2, #ARGV, 5 do
  local day, event, item, l1, l2 = unpack(ARGV, i, i + 4)
  local filter = KEYS[1] .. ':counted:' .. day
  local new = redis.call('BF.INSERT', filter, 'CAPACITY', 4096, 'ERROR', 0.001, 'EXPANSION', 2, 'ITEMS', event)[1]
  if new == 1 then
    for _, name in ipairs({'global', 'cat_l1:' .. l1, 'cat_l2:' .. l2}) do
      count(name, item)
      count('online:' .. day .. ':' .. name, item, ARGV[1])
    end
    redis.call('EXPIRE', filter, ARGV[1])
  end
end
"""


class Trending:
    """Sorted sets of item ids by interactions, below `keys.TRENDING`, which is one slot of a cluster.

    `global`, `cat_l1:{category}` and `cat_l2:{category}` hold the counts of the batch's week, plus the online counts of
    later days. `online:{day}:…` holds the online counts of one day. `names` is the set of these names, because a scan
    would read the keys of all users. The Bloom filter `counted:{day}` holds the counted events; because of it, one new
    event in a thousand is not counted.
    """

    GLOBAL = "global"
    NAMES = trending("names")
    KEPT = timedelta(days=8)  # lifetime of online counts; the batch of their day replaces them earlier

    def __init__(self, client: Valkey) -> None:
        self._client = client

    @cached_property
    def _count(self) -> Script:
        return self._client.register_script(_COUNT)

    @classmethod
    def connect(cls, settings: Settings) -> "Trending":
        """Returns the popularity in the settings' Valkey; connects at first use."""
        return cls(connect(settings))

    def count(self, counted: Iterable[Counted]) -> None:
        """Counts events, duplicates once; raises RedisError."""
        words = [word for one in counted for word in one.words()]
        if words:
            self._count(keys=[TRENDING], args=[int(self.KEPT.total_seconds()), *words])

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
            names = sorted(name.decode() for name in self._client.smembers(self.NAMES))
            online = [name for name in names if name.startswith("online:")]
            since = [name for name in online if name.split(":")[1] > day] if day else []
            with transaction(self._client, self.NAMES) as pipeline:
                for name in set(names) - set(online):
                    pipeline.delete(trending(name))
                    pipeline.srem(self.NAMES, name)
                for name in self._expired(online):
                    pipeline.srem(self.NAMES, name)
                for name, counts in sets.items():
                    pipeline.zadd(trending(name), counts)
                    pipeline.sadd(self.NAMES, name)
                for name in since:
                    total = name.split(":", 2)[2]
                    pipeline.zunionstore(trending(total), [trending(total), trending(name)])
                    pipeline.sadd(self.NAMES, total)
                pipeline.execute()

    def _expired(self, names: list[str]) -> list[str]:
        with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.exists(trending(name))
            return [name for name, exists in zip(names, pipeline.execute(), strict=True) if not exists]

    def top(self, k: int, *, category_l1: int | None = None, category_l2: int | None = None) -> list[tuple[int, int]]:
        """Returns at most `k` pairs of item id and interactions of available items, most popular first.

        Args:
            k: maximum number of pairs.
            category_l1: restricts the items to this level-1 category.
            category_l2: restricts the items to this level-2 category, and overrides `category_l1`.

        Raises:
            ActionableError: Valkey does not answer.
        """
        name = self.GLOBAL
        if category_l1 is not None:
            name = f"cat_l1:{category_l1}"
        if category_l2 is not None:
            name = f"cat_l2:{category_l2}"
        found: list[tuple[int, int]] = []
        with translate_redis_errors(self._client):
            unavailable = set(UnavailableItems(self._client).items().tolist())
            for start in itertools.count(step=max(k, PAGE)):
                rows = self._client.zrevrange(trending(name), start, start + max(k, PAGE) - 1, withscores=True)
                found += [(int(item), int(count)) for item, count in rows if int(item) not in unavailable]
                if len(found) >= k or len(rows) < max(k, PAGE):
                    return found[:k]
        raise AssertionError("the pages of a sorted set end")


def _sets(popularity: pl.DataFrame) -> dict[str, Counts]:
    sets: dict[str, Counts] = {}
    for item, l1, l2, count in popularity.select("item_id", "category_l1", "category_l2", "interactions").iter_rows():
        for name in (Trending.GLOBAL, f"cat_l1:{l1}", f"cat_l2:{l2}"):
            sets.setdefault(name, {})[str(item)] = count
    return sets
