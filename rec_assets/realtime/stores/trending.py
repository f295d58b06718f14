"""Current popularity of items, overall and within categories."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl
from redis.commands.core import Script

from rec_assets.features.store.unavailable import Ids, UnavailableItems
from rec_assets.realtime.events import Event
from rec_assets.realtime.log.behavior_log import day_of
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import (
    Valkey,
    connect,
    is_cluster,
    transaction,
    translate_redis_errors,
    valkey_span,
)
from rec_assets.storage.valkey.keys import trending


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


PAGE = 100  # items that `top` reads at first

Counts: TypeAlias = dict[str | bytes, bytes | float | int | str]  # the argument type of zadd


# Counts each event of a day once: the test for duplicates and the increments are one atomic script. All its keys begin
# with KEYS[1], the name of a shard, whose braces put them into one slot. ARGV has the seconds that online counts are
# kept, then five words for each event. A command for many events, or for the sum of an item, costs Valkey less than one
# for each event.
_COUNT = """
local positions = {}
for i = 2, #ARGV, 5 do
  local day = ARGV[i]
  positions[day] = positions[day] or {}
  table.insert(positions[day], i)
end
local sums = {}
local function add(name, item)
  sums[name] = sums[name] or {}
  sums[name][item] = (sums[name][item] or 0) + 1
end
local at_once = 1000
for day, mine in pairs(positions) do
  local filter = KEYS[1] .. ':counted:' .. day
  for first = 1, #mine, at_once do
    local events = {}
    for n = first, math.min(first + at_once - 1, #mine) do table.insert(events, ARGV[mine[n] + 1]) end
    local new = redis.call(
      'BF.INSERT', filter, 'CAPACITY', 4096, 'ERROR', 0.001, 'EXPANSION', 2, 'ITEMS', unpack(events))
    for n, is_new in ipairs(new) do
      if is_new == 1 then
        local item, l1, l2 = unpack(ARGV, mine[first + n - 1] + 2, mine[first + n - 1] + 4)
        for _, name in ipairs({'global', 'cat_l1:' .. l1, 'cat_l2:' .. l2}) do
          add(name, item)
          add('online:' .. day .. ':' .. name, item)
        end
      end
    end
  end
  redis.call('EXPIRE', filter, ARGV[1])
end
for name, items in pairs(sums) do
  for item, count in pairs(items) do redis.call('ZINCRBY', KEYS[1] .. ':' .. name, count, item) end
  redis.call('SADD', KEYS[1] .. ':names', name)
  if string.sub(name, 1, 7) == 'online:' then redis.call('EXPIRE', KEYS[1] .. ':' .. name, ARGV[1]) end
end
"""


class Trending:
    """Sorted sets of item ids by interactions, in shards by item: one, on a cluster `SHARDS_OF_CLUSTER`.

    In each shard, `global`, `cat_l1:{category}` and `cat_l2:{category}` hold the counts of the batch's week, plus the
    online counts of later days. `online:{day}:…` holds the online counts of one day. `names` is the set of these names,
    because a scan would read the keys of all users. The Bloom filter `counted:{day}` holds the counted events; because
    of it, one new event in a thousand is not counted.
    """

    GLOBAL, NAMES = "global", "names"
    SHARDS_OF_CLUSTER = 16
    KEPT = timedelta(days=8)  # lifetime of online counts; the batch of their day replaces them earlier

    def __init__(self, client: Valkey) -> None:
        self._client = client
        self._shards = self.SHARDS_OF_CLUSTER if is_cluster(client) else 1

    @cached_property
    def _count(self) -> Script:
        return self._client.register_script(_COUNT)

    @classmethod
    def connect(cls, settings: Settings) -> "Trending":
        """Returns the popularity in the settings' Valkey; connects at first use."""
        return cls(connect(settings))

    def count(self, counted: Iterable[Counted]) -> None:
        """Counts events, duplicates once; raises RedisError."""
        words: dict[int, list[str | int]] = {}
        for one in counted:
            words.setdefault(self._shard_of(one.event.item_id or 0), []).extend(one.words())
        for shard, arguments in words.items():
            self._count(keys=[trending(shard)], args=[int(self.KEPT.total_seconds()), *arguments])

    def replace(self, popularity: pl.DataFrame, day: str = "") -> None:
        """Replaces all sets of a shard in one transaction, so that readers never get a mix of old and new sets of it.

        Args:
            popularity: columns item_id, category_l1, category_l2, interactions (`features.popularity.item_popularity`);
                items without interactions are left out.
            day: last day of `popularity`; online counts of later days are added.

        Raises:
            ActionableError: Valkey does not answer.
        """
        counted = popularity.filter(pl.col("interactions") > 0)
        with translate_redis_errors(self._client):
            for shard in range(self._shards):
                self._replace(shard, _sets(counted.filter(pl.col("item_id") % self._shards == shard)), day)

    def _replace(self, shard: int, sets: Mapping[str, Counts], day: str) -> None:
        prefix = trending(shard)
        index = f"{prefix}:{self.NAMES}"
        names = {name.decode() for name in self._client.smembers(index)}
        online = sorted(name for name in names if name.startswith("online:"))
        since = [name for name in online if name.split(":")[1] > day] if day else []
        gone = [*(names - set(online)), *self._expired(prefix, online)]
        with transaction(self._client, index) as pipeline:
            for name in gone:
                pipeline.delete(f"{prefix}:{name}")
                pipeline.srem(index, name)
            for name, counts in sets.items():
                pipeline.zadd(f"{prefix}:{name}", counts)
                pipeline.sadd(index, name)
            for name in since:
                total = name.split(":", 2)[2]
                pipeline.zunionstore(f"{prefix}:{total}", [f"{prefix}:{total}", f"{prefix}:{name}"])
                pipeline.sadd(index, total)
            pipeline.execute()

    def _expired(self, prefix: str, names: Sequence[str]) -> list[str]:
        with self._client.pipeline(transaction=False) as pipeline:
            for name in names:
                pipeline.exists(f"{prefix}:{name}")
            return [name for name, exists in zip(names, pipeline.execute(), strict=True) if not exists]

    def top(
        self,
        k: int,
        *,
        category_l1: int | None = None,
        category_l2: int | None = None,
        hidden: Callable[[Ids], npt.NDArray[np.bool_]] | None = None,
    ) -> list[tuple[int, int]]:
        """Returns at most `k` pairs of item id and interactions of available items, most popular first.

        Args:
            k: maximum number of pairs.
            category_l1: restricts the items to this level-1 category.
            category_l2: restricts the items to this level-2 category, and overrides `category_l1`.
            hidden: returns True for those of some items [n] that are left out, too.

        Raises:
            ActionableError: Valkey does not answer.
        """
        name = self.GLOBAL
        if category_l1 is not None:
            name = f"cat_l1:{category_l1}"
        if category_l2 is not None:
            name = f"cat_l2:{category_l2}"
        with translate_redis_errors(self._client), valkey_span("trending"):
            unavailable = set(UnavailableItems(self._client).items().tolist())
            depth = max(k, PAGE)
            while True:
                shards = self._tops(name, depth)
                is_all = all(len(shard) < depth for shard in shards)
                # Equal counts have the order of Valkey, which is that of texts.
                rows = sorted(
                    itertools.chain.from_iterable(shards), key=lambda row: (row[1], str(row[0])), reverse=True
                )
                # Each shard has all counts of its items, so these rows contain the first `depth` of all items.
                first = rows if is_all else rows[:depth]
                found = [(item, count) for item, count in first if item not in unavailable]
                if hidden is not None:
                    gone = hidden(np.array([item for item, _ in found], np.int32))
                    found = [one for one, is_gone in zip(found, gone.tolist(), strict=True) if not is_gone]
                if is_all or len(found) >= k:
                    return found[:k]
                depth *= 2

    def _tops(self, name: str, depth: int) -> list[list[tuple[int, int]]]:
        """Returns the first pairs of each shard, in one round trip."""
        with self._client.pipeline(transaction=False) as pipeline:
            for shard in range(self._shards):
                pipeline.zrevrange(f"{trending(shard)}:{name}", 0, depth - 1, withscores=True)
            return [[(int(item), int(count)) for item, count in rows] for rows in pipeline.execute()]

    def _shard_of(self, item_id: int) -> int:
        return item_id % self._shards


def _sets(popularity: pl.DataFrame) -> dict[str, Counts]:
    sets: dict[str, Counts] = {}
    for item, l1, l2, count in popularity.select("item_id", "category_l1", "category_l2", "interactions").iter_rows():
        for name in (Trending.GLOBAL, f"cat_l1:{l1}", f"cat_l2:{l2}"):
            sets.setdefault(name, {})[str(item)] = count
    return sets
