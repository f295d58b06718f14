"""The signals of all candidates of a training, without the item signals, which are looked up when they are read."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.columns import SIGNALS
from rec_assets.features.signals.item_signals import ITEM_SIGNALS, ItemSignals

# The item signals of all candidates would take a third of the memory.
STORED_SIGNALS = SIGNALS[: -len(ITEM_SIGNALS)]

Ids = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class CandidateSignals:
    """`SIGNALS` of the candidates of requests [n].

    Attributes:
        item_ids: encoded items of the candidates, int32 [n, k].
        stored: `STORED_SIGNALS` of every candidate, float32 [n, k, s].
        timestamps: times of the requests, unix seconds [n].
        of_items: the item signals.
    """

    item_ids: npt.NDArray[np.int32]
    stored: Floats
    timestamps: npt.NDArray[np.int64]
    of_items: ItemSignals

    def at(self, rows: Ids, positions: Ids) -> tuple[npt.NDArray[np.int32], Floats]:
        """Returns the items and signals of some candidates, [m, l] and [m, l, signals].

        Args:
            rows: requests [m].
            positions: candidates of each request [m, l].
        """
        _, depth, count = self.stored.shape
        flat = rows[:, None] * depth + positions
        item_ids = self.item_ids.reshape(-1).take(flat)
        signals = np.empty((*flat.shape, len(SIGNALS)), np.float32)
        signals[..., :count] = self.stored.reshape(-1, count).take(flat, axis=0)
        looked_up = self.of_items.at(item_ids, self.timestamps[rows][:, None])
        for number, name in enumerate(SIGNALS[count:], start=count):
            signals[..., number] = looked_up[name]
        return item_ids, signals

    def column(self, number: int) -> Floats:
        """Returns one of `SIGNALS` of all candidates [n, k]."""
        if number < len(STORED_SIGNALS):
            return self.stored[..., number]
        rows = self.of_items.row(self.timestamps)
        return self.of_items.values[SIGNALS[number]][rows[:, None], self.item_ids]
