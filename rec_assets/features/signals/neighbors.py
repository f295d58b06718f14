"""Neighbors of items: items that the same users choose. A candidate source, and a signal of the ranker.

An item of a history counts with the logarithm of its interactions.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

DENSE = 8  # catalogs of fewer items than this, per neighbor to add, are summed in a table of all items
IDS, WEIGHTS = "neighbors.npy", "neighbor_weights.npy"

Ids = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Neighbors:
    """The nearest items of each item, by encoded id.

    Attributes:
        item_ids: encoded neighbors, int32 [v, k]; weight 0 fills up.
        weights: weight of each neighbor, not negative, float32 [v, k].
    """

    item_ids: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]

    def scores(self, item_ids: Ids, shares: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Sums the weights of items to the items of one history.

        Args:
            item_ids: distinct encoded items of the history [h]; items without neighbors add nothing.
            shares: how much each of them counts [h].

        Returns:
            Encoded ids, ascending, with all that have a positive sum, and their sums; [n] each.
        """
        known = item_ids < len(self.item_ids)
        item_ids, shares = item_ids[known], shares[known]
        ids = self.item_ids[item_ids].ravel()
        weights = (self.weights[item_ids] * shares[:, None]).ravel()
        if len(self.item_ids) < DENSE * len(ids):
            return self._all, np.bincount(ids, weights, len(self.item_ids)).astype(np.float64)
        distinct, entry = np.unique(ids, return_inverse=True)
        return distinct.astype(np.int64), np.bincount(entry, weights, len(distinct)).astype(np.float64)

    @cached_property
    def _all(self) -> npt.NDArray[np.int64]:
        return np.arange(len(self.item_ids))

    def save(self, folder: Path) -> None:
        """Writes two files into a folder."""
        np.save(folder / IDS, self.item_ids)
        np.save(folder / WEIGHTS, self.weights)

    @classmethod
    def load(cls, folder: Path) -> "Neighbors":
        """Maps the files of `save`, so that processes of a host share them."""
        return cls(*(np.asarray(np.load(folder / file, mmap_mode="r")) for file in (IDS, WEIGHTS)))
