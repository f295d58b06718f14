"""Candidates of requests from several sources, merged into one list per request. Training and serving share them.

The sources are the nearest items of the index, the user's own items, the neighbors of these items, and popular items
of the user's categories. Does not compute query vectors.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import PADDING_ID
from rec_assets.features.signals.item_signals import ItemFacts, Scratch
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import PRIOR_ROWS, Past

MAX_POPULAR = 5_000

Ids = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
# Maps query vectors [q, 64] and k to encoded ids of the nearest items, best first, padded [q, k].
Search = Callable[[Floats, int], Ids]


@dataclass(frozen=True)
class PopularItems:
    """The most popular items of a day: encoded ids int32 [p], and interactions per week float32 [p]."""

    item_ids: Ids
    rates: Floats

    @classmethod
    def of(cls, popularity_week: Floats, indexed: Flags) -> "PopularItems":
        """Selects items by the signal `popularity_week` [v], among the first items [w] those that are indexed."""
        rates = np.where(indexed, np.expm1(popularity_week[: len(indexed)]), 0)
        best = np.argsort(-rates, kind="stable")[:MAX_POPULAR]
        best = best[rates[best] > 0]
        return cls(best.astype(np.int32), rates[best].astype(np.float32))


@dataclass(frozen=True)
class CandidateSources:
    """The sources of one index.

    Attributes:
        search: search of the index.
        vectors: item vectors by encoded id, zero for items outside the index, float32 [w, 64].
        indexed: True for items with a vector, bool [w].
        neighbors: neighbors of items.
        facts: categories of all items, and their shares.
        repeats: whether the user's own items are candidates; if not, they are left out.
    """

    search: Search
    vectors: Floats
    indexed: Flags
    neighbors: Neighbors
    facts: ItemFacts
    repeats: bool

    def __call__(self, queries: Floats, past: Past, popular: PopularItems, depth: int) -> tuple[Ids, Floats]:
        """Returns the candidates of each request and their inner products with the query.

        The user's own items come first, by the weight of their interactions. The other items follow by the sum of
        their reciprocal ranks in the sources.

        Args:
            queries: query vectors, float32 [q, 64].
            past: histories of the requests.
            popular: popular items at the time of the requests.
            depth: number of candidates.

        Returns:
            Encoded ids int32, best first, padded with `PADDING_ID`, and scores float32; [q, depth] each.
        """
        from rec_assets.inference.merge import merge

        ids = np.full((len(past), depth), PADDING_ID, np.int32)
        weight, score, points = self._scratch.sums
        merge(
            self.search(queries, depth),
            self._of_categories(past, popular, depth),
            past.splits,
            past.items_below(len(self.facts.price)),
            past.weight,
            self.neighbors.item_ids,
            self.neighbors.weights,
            self._has_vector,
            self.repeats,
            self._scratch.count,
            weight,
            score,
            points,
            ids,
        )
        scores = np.einsum("qkd,qd->qk", self.vectors[ids], queries)
        return ids, np.where(ids == PADDING_ID, np.float32(0), scores)

    def restricted(self, search: Search, indexed: Flags, *, repeats: bool) -> "CandidateSources":
        """Returns sources of a part of the items, with their search; they share the tables of all items."""
        part = replace(self, search=search, indexed=indexed, repeats=repeats)
        part.__dict__["_scratch"] = self._scratch
        return part

    @cached_property
    def _has_vector(self) -> Flags:
        """True for each encoded id with a vector; items that were added afterwards have none."""
        return np.append(self.indexed, np.zeros(max(len(self.facts.price) - len(self.indexed), 0), np.bool_))

    @cached_property
    def _scratch(self) -> Scratch:
        return Scratch(len(self._has_vector))

    def _of_categories(self, past: Past, popular: PopularItems, depth: int) -> Ids:
        """Returns the popular items with the highest rate in the user's categories [q, ≤ depth].

        The rate of an item is its popularity times the geometric mean of the user's affinities to its categories.
        """
        from rec_assets.inference.merge import weigh_by_category

        rates = np.tile(popular.rates, (len(past), 1))
        rows = past.splits, past.items_below(len(self.facts.price)), past.weight
        for _, category, share in self.facts.levels:
            weigh_by_category(*rows, category.astype(np.int32, copy=False), share, PRIOR_ROWS, popular.item_ids, rates)
        return popular.item_ids[best(rates, depth)]


def best(values: npt.NDArray[np.floating[Any]], depth: int) -> npt.NDArray[np.int64]:
    """Returns the positions of the largest values of each row, best first, ties by position [q, min(depth, n)].

    Values are compared as float32. Value and position make one integer, because NumPy sorts integers much faster than
    it sorts positions by values.
    """
    count = values.shape[1]
    depth, last = min(depth, count), np.int64(count - 1)
    bits = values.astype(np.float32).view(np.int32)
    in_order = bits ^ ((bits >> 31) & np.int32(0x7FFF_FFFF))  # the integers of negative floats are in reverse order
    keys = in_order.astype(np.int64) << 32 | (last - np.arange(count))
    if depth < count:
        keys = np.partition(keys, count - depth - 1, axis=1)[:, count - depth :]
    keys.sort(axis=1)
    return last - (keys[:, ::-1] & 0xFFFF_FFFF)
