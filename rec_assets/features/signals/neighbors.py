"""Neighbors of items: items that the same users choose. A candidate source, and a signal of the ranker."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.signals.past import Past

IDS, WEIGHTS = "neighbors.npy", "neighbor_weights.npy"

Ids = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Neighbors:
    """The nearest items of each item, by encoded id.

    Attributes:
        item_ids: encoded neighbors, int32 [v, k]; weight 0 fills up.
        weights: cosine of each neighbor, float32 [v, k].
    """

    item_ids: npt.NDArray[np.int32]
    weights: npt.NDArray[np.float32]

    def scores(self, item_ids: Ids, counts: Ids, size: int) -> npt.NDArray[np.float64]:
        """Sums the cosines of all items with the items of one history, float64 [size].

        Args:
            item_ids: distinct encoded items of the history [h]; items without neighbors add nothing.
            counts: interactions with each of them [h].
            size: number of encoded items, at least `v`.
        """
        known = item_ids < len(self.item_ids)
        item_ids, counts = item_ids[known], counts[known]
        weights = self.weights[item_ids] * counts[:, None]
        return np.bincount(self.item_ids[item_ids].ravel(), weights.ravel(), size).astype(np.float64)

    def scores_of(self, past: Past, owners: Ids, item_ids: Ids) -> npt.NDArray[np.float64]:
        """Returns the score of candidates [n] whose owners are in ascending order, float64 [n]."""
        size = max(len(self.item_ids), int(item_ids.max(initial=0)) + 1)
        result = np.zeros(len(item_ids))
        edges = np.searchsorted(owners, np.arange(len(past) + 1))
        groups = np.searchsorted(past.items.keys, np.arange(len(past) + 1) << 32)
        for request in np.flatnonzero(past.length):
            own, rows = slice(*groups[request : request + 2]), slice(*edges[request : request + 2])
            history = past.items.keys[own] & 0xFFFF_FFFF
            result[rows] = self.scores(history, past.items.count[own], size)[item_ids[rows]]
        return result

    def save(self, folder: Path) -> None:
        """Writes two files into a folder."""
        np.save(folder / IDS, self.item_ids)
        np.save(folder / WEIGHTS, self.weights)

    @classmethod
    def load(cls, folder: Path) -> "Neighbors":
        """Maps the files of `save`, so that processes of a host share them."""
        return cls(*(np.asarray(np.load(folder / file, mmap_mode="r")) for file in (IDS, WEIGHTS)))
