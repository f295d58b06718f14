"""Merges the lists of several candidate sources into one list of a request."""

import threading
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import PADDING_ID

RANK_OFFSET = 60  # of reciprocal ranks (Cormack et al. 2009): the first ranks of a source do not dominate
OWN_POINTS = 1.0  # more than all reciprocal ranks of an item, so the user's own items come first

Ids = npt.NDArray[np.integer[Any]]
Points = npt.NDArray[np.float64]


class _Tables(threading.local):
    """Tables of all items for each thread. A call restores what it changes, so it touches few items."""

    def __init__(self, size: int) -> None:
        self.points = np.zeros(size)
        self.left_out = np.zeros(size, np.bool_)
        self.left_out[PADDING_ID] = True


class Merger:
    """Merges lists of encoded item ids by the sum of their reciprocal ranks."""

    def __init__(self, size: int) -> None:
        """Stores the number of encoded items."""
        self._tables = _Tables(size)
        self._by_rank = 1 / (RANK_OFFSET + 1 + np.arange(size))

    def __call__(self, lists: Sequence[Ids], own: Ids, own_points: Points, depth: int) -> Ids:
        """Returns the items with most points [≤ depth], best first, ties by id.

        Example with depth 3: the lists (5, 6) and (6, 7) and the own item 5 with 1.5 points. Item 5 does not count in
        the first list, so item 6 has rank 0 there and in the second list, and item 7 has rank 1. The result is 5, 6, 7.

        Args:
            lists: items of each source without repeats, best first; `PADDING_ID` is no item.
            own: distinct items of the user.
            own_points: points of each of these items; 0 leaves an item out.
            depth: maximum length of the result.
        """
        points, left_out = self._tables.points, self._tables.left_out
        left_out[own] = True
        others = [listed[~left_out[listed]] for listed in lists]
        left_out[own] = False
        for ids in others:
            points[ids] += self._by_rank[: len(ids)]
        sums = []
        for ids in others:
            sums.append(points[ids])
            points[ids] = 0  # an item of several lists counts once
        return _best(np.concatenate([own, *others]), np.concatenate([own_points, *sums]), depth)


def _best(ids: Ids, points: Points, depth: int) -> Ids:
    least = np.partition(points, -depth)[-depth] if len(points) > depth else 0.0
    kept = (points > 0) & (points >= least)
    ids, points = ids[kept], points[kept]
    return ids[np.lexsort((ids, -points))[:depth]]
