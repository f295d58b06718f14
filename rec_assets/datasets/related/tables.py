"""The tables of similar items and of items bought together, a part of a bundle, and the list of a basket from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.signals.neighbors import Neighbors

SIMILAR, TOGETHER = "similar", "together"
KINDS = (SIMILAR, TOGETHER)  # a request has the position of its kind
MAX_LENGTH = 50  # of a list

Ids = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class RelatedItems:
    """The related items of each item by encoded id, one table for each of `KINDS`."""

    tables: dict[str, Neighbors]

    def save(self, folder: Path) -> None:
        """Writes one folder for each table."""
        for kind, table in self.tables.items():
            (folder / kind).mkdir()
            table.save(folder / kind)

    @classmethod
    def load(cls, folder: Path) -> "RelatedItems":
        """Maps the files of `save`; raises OSError or ValueError if one is missing or damaged."""
        return cls({kind: Neighbors.load(folder / kind) for kind in KINDS})

    def of_basket(self, kind: str, basket: Ids) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Returns the items related to a basket with their scores, best first, ties by id; [n] each.

        The score is the sum over the items of the basket. Items of the basket are left out.

        Args:
            kind: one of `KINDS`.
            basket: encoded items, in any order.
        """
        distinct = np.unique(basket)
        ids, scores = self.tables[kind].scores(distinct, np.ones(len(distinct), np.int64))
        kept = (scores > 0) & ~np.isin(ids, distinct)
        ids, scores = ids[kept], scores[kept]
        order = np.lexsort((ids, -scores))
        return ids[order], scores[order]
