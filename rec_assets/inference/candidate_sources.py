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
from rec_assets.features.signals.item_signals import ItemFacts
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import Past
from rec_assets.inference.merge import OWN_POINTS, Merger

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
    def of(cls, popularity_month: Floats, indexed: Flags) -> "PopularItems":
        """Selects items by the signal `popularity_month` [v], among the first items [w] those that are indexed."""
        rates = np.where(indexed, np.expm1(popularity_month[: len(indexed)]), 0)
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
        nearest, popular_items = self.search(queries, depth), self._of_categories(past, popular, depth)
        weights = np.bincount(past.items.of_row, past.weight, len(past.items.keys))
        ids = np.full((len(past), depth), PADDING_ID, np.int32)
        for request, rows in enumerate(past.items.rows_by_owner(len(past))):
            own, shares, weight = past.items.values[rows], past.items.damped_count[rows], weights[rows]
            lists = [nearest[request], self._near_history(own, shares, depth), popular_items[request]]
            points = np.where(self._is_indexed(own), OWN_POINTS + weight, 0) if self.repeats else np.zeros(len(own))
            merged = self._merge(lists, own, points, depth)
            ids[request, : len(merged)] = merged
        scores = np.einsum("qkd,qd->qk", self.vectors[ids], queries)
        return ids, np.where(ids == PADDING_ID, np.float32(0), scores)

    def restricted(self, search: Search, indexed: Flags, *, repeats: bool) -> "CandidateSources":
        """Returns sources of a part of the items, with their search; they share the tables of all items."""
        part = replace(self, search=search, indexed=indexed, repeats=repeats)
        part.__dict__["_merge"] = self._merge
        return part

    @cached_property
    def _has_vector(self) -> Flags:
        """True for each encoded id with a vector; the last value is for all items that were added afterwards."""
        return np.append(self.indexed, False)

    def _is_indexed(self, item_ids: npt.NDArray[np.integer[Any]]) -> Flags:
        return self._has_vector[np.minimum(item_ids, len(self.indexed))]

    @cached_property
    def _merge(self) -> Merger:
        return Merger(max(len(self.indexed), len(self.facts.price)))

    def _near_history(
        self, own: npt.NDArray[np.int64], shares: npt.NDArray[np.float64], depth: int
    ) -> npt.NDArray[np.int64]:
        """Returns the items with the highest neighbor scores [≤ depth]; `own` has the user's items, ascending."""
        found, scores = self.neighbors.scores(own, shares)
        if not len(found):
            return found
        position = np.minimum(np.searchsorted(found, own), len(found) - 1)
        scores[position[found[position] == own]] = 0
        scores[~self._is_indexed(found)] = 0
        listed = best(scores[None], depth)[0]
        return found[listed[scores[listed] > 0]]

    def _of_categories(self, past: Past, popular: PopularItems, depth: int) -> Ids:
        """Returns the popular items with the highest rate in the user's categories [q, ≤ depth].

        The rate of an item is its popularity times the geometric mean of the user's affinities to its categories.
        """
        rates = np.broadcast_to(popular.rates, (len(past), len(popular.rates)))
        for _, category, share in self.facts.levels:
            rates = rates * np.sqrt(past.affinity(category, share))[:, category[popular.item_ids]]
        return popular.item_ids[best(rates, depth)]


def best(values: npt.NDArray[np.floating[Any]], depth: int) -> npt.NDArray[np.int64]:
    """Returns the positions of the largest values of each row, best first [q, min(depth, n)]."""
    depth = min(depth, values.shape[1])
    if depth < values.shape[1]:
        found = np.argpartition(-values, depth - 1, axis=1)[:, :depth]
        found.sort(axis=1)  # so that ties are in the order of positions
    else:
        found = np.broadcast_to(np.arange(depth), values.shape)
    row = np.arange(len(values))[:, None]
    return found[row, np.argsort(-values[row, found], axis=1, kind="stable")]
