"""Candidates of requests from several sources, merged into one list per request. Training and serving share them.

The sources are the nearest items of the index, the user's own items, the neighbors of these items, and popular items
of the user's categories. Does not compute query vectors.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import PADDING_ID
from rec_assets.features.signals.item_signals import ItemFacts
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import Past

RANK_OFFSET = 60  # of reciprocal ranks (Cormack et al. 2009): the first ranks of a source do not dominate
OWN_POINTS = 1.0  # more than all reciprocal ranks of an item, so the user's own items come first
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
        lists = [
            self.search(queries, depth),
            self._near_history(past, depth),
            self._of_categories(past, popular, depth),
        ]
        owners, item_ids, points = [], [], []
        for listed in lists:
            owner, position = np.nonzero(listed != PADDING_ID)
            ids = listed[owner, position]
            other = past.items.look_up([past.items.count], owner, ids)[0] == 0
            owner, ids = owner[other], ids[other]
            # The rank counts only items that the user does not have.
            rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
            owners.append(owner)
            item_ids.append(ids)
            points.append(1 / (RANK_OFFSET + 1 + rank))
        if self.repeats:
            owner, ids = past.items.keys >> 32, (past.items.keys & 0xFFFF_FFFF).astype(np.int32)
            known = self._is_indexed(ids)
            owners.append(owner[known])
            item_ids.append(ids[known])
            points.append(OWN_POINTS + np.bincount(past.items.of_row, past.weight, len(known))[known])
        ids = merge(np.concatenate(owners), np.concatenate(item_ids), np.concatenate(points), len(past), depth)
        scores = np.einsum("qkd,qd->qk", self.vectors[ids], queries)
        return ids, np.where(ids == PADDING_ID, np.float32(0), scores)

    def _is_indexed(self, item_ids: npt.NDArray[np.integer[Any]]) -> Flags:
        # Items added after the vectors were computed have no row.
        return np.append(self.indexed, False)[np.minimum(item_ids, len(self.indexed))]

    def _near_history(self, past: Past, depth: int) -> Ids:
        """Returns the items with the highest neighbor scores, padded [q, ≤ depth]."""
        size = len(self.indexed)
        result = np.full((len(past), min(depth, size - 1)), PADDING_ID, np.int32)
        edges = np.searchsorted(past.items.keys, np.arange(len(past) + 1) << 32)
        for request in np.flatnonzero(past.length):
            rows = slice(*edges[request : request + 2])
            own = past.items.keys[rows] & 0xFFFF_FFFF
            scores = self.neighbors.scores(own, past.items.count[rows], size)[:size]
            scores[own[own < size]] = 0
            found = best(np.where(self.indexed, scores, 0)[None], result.shape[1])[0]
            found = found[scores[found] > 0]
            result[request, : len(found)] = found
        return result

    def _of_categories(self, past: Past, popular: PopularItems, depth: int) -> Ids:
        """Returns the popular items with the highest rate in the user's categories [q, ≤ depth].

        The rate of an item is its popularity times the geometric mean of the user's affinities to its categories.
        """
        rates = np.broadcast_to(popular.rates, (len(past), len(popular.rates)))
        for _, category, share in self.facts.levels:
            rates = rates * np.sqrt(past.affinity(category, share)[:, category[popular.item_ids]])
        return popular.item_ids[best(rates, depth)]


def best(values: npt.NDArray[np.floating[Any]], depth: int) -> npt.NDArray[np.int64]:
    """Returns the positions of the largest values of each row, best first [q, min(depth, n)]."""
    depth = min(depth, values.shape[1])
    if depth < values.shape[1]:
        found = np.argpartition(-values, depth - 1, axis=1)[:, :depth]
        found.sort(axis=1)  # so that ties are in the order of positions
    else:
        found = np.broadcast_to(np.arange(depth), values.shape)
    order = np.argsort(-np.take_along_axis(values, found, axis=1), axis=1, kind="stable")
    return np.take_along_axis(found, order, axis=1)


def merge(
    owners: npt.NDArray[np.integer[Any]],
    item_ids: Ids,
    points: npt.NDArray[np.floating[Any]],
    requests: int,
    depth: int,
) -> Ids:
    """Sums the points of each item of each request, and returns the items with most points.

    Example with one request and depth 2: the items 5, 6, 5 with the points 1, 3, 1.5 give the list 6, 5.

    Args:
        owners: request of each entry [n].
        item_ids: encoded item of each entry [n].
        points: points of each entry, positive [n].
        requests: number of requests.
        depth: length of the lists.

    Returns:
        Encoded ids [requests, depth], best first, ties by id, padded with `PADDING_ID`.
    """
    keys, entry = np.unique(owners.astype(np.int64) << 32 | item_ids, return_inverse=True)
    total = np.bincount(entry, points, len(keys))
    owner = keys >> 32
    order = np.lexsort((-total, owner))
    owner, ids = owner[order], keys[order] & 0xFFFF_FFFF
    rank = np.arange(len(owner)) - np.searchsorted(owner, owner)
    kept = rank < depth
    result = np.full((requests, depth), PADDING_ID, np.int32)
    result[owner[kept], rank[kept]] = ids[kept]
    return result
