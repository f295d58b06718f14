"""The tables of items related to items, a part of a bundle, and the list of a basket from them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.signals.neighbors import Neighbors

SIMILAR, TOGETHER, COMPLEMENT = "similar", "together", "complement"
KINDS = (SIMILAR, TOGETHER, COMPLEMENT)  # a request has the position of its kind
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
        """Maps the files of `save`; raises OSError or ValueError if one is missing or damaged.

        A bundle of an earlier release has no complements.
        """
        kinds = [kind for kind in KINDS if kind != COMPLEMENT or (folder / kind).exists()]
        return cls({kind: Neighbors.load(folder / kind) for kind in kinds})

    def complement_of(self, basket: Ids, categories: Ids) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
        """Returns the items that complete a basket, in the form of `of_basket`.

        An item in the category of items of the basket is left out, unless it is a complement of one of these.

        Args:
            basket: encoded items, in any order.
            categories: finest category by encoded id [v].
        """
        ids, scores = self.of_basket(COMPLEMENT, basket)
        table = self.tables[COMPLEMENT]
        substitutes = np.isin(categories[ids], categories[basket])
        for item in np.unique(basket[basket < len(table.item_ids)]):
            own = table.item_ids[item][table.weights[item] > 0]
            substitutes &= ~((categories[ids] == categories[item]) & np.isin(ids, own))
        return ids[~substitutes], scores[~substitutes]

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
