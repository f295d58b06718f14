"""The part of a training set that evaluations read: items, histories and validation queries. Contains no rows."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.queries import Queries
from rec_assets.datasets.request_features import histories_of
from rec_assets.datasets.rows import take
from rec_assets.features.history import PADDING_ID, InteractionLog

ITEMS, LOG, VALIDATION, REPEATS = "items.npz", "log.npz", "validation", "repeats.json"
QUERIES_AT_ONCE = 20_000  # padded histories of all users of a large shop would take gigabytes
MIN_SHARE_OF_REPEATS = 0.05  # below it, own items would take more places of candidates than they bring hits


@dataclass(frozen=True)
class EvaluationSet:
    """Items, histories and queries in memory.

    Attributes:
        items: the item table.
        log: all interactions up to the as-of day; the history of a row is a slice that ends before the row.
        validation: the queries of the validation days.
        repeats: whether lists may repeat items of the user's history.
    """

    items: ItemTable
    log: InteractionLog
    validation: Queries
    repeats: bool

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the folder of a training set or of a fine-tune set."""
        return cls(
            ItemTable.load(folder / ITEMS),
            InteractionLog.load(folder / LOG),
            Queries.load(folder / VALIDATION),
            read_repeats(folder),
        )

    def unseen_pairs(self, queries: Queries) -> pl.DataFrame:
        """Returns the relevant pairs of queries whose item is outside the user's history."""
        starts = range(0, max(len(queries), 1), QUERIES_AT_ONCE)
        known = pl.concat(self._known_pairs(queries, slice(start, start + QUERIES_AT_ONCE)) for start in starts)
        return queries.relevant.join(known, on=["user_id", "item_id"], how="anti")

    def _known_pairs(self, queries: Queries, part: slice) -> pl.DataFrame:
        past = histories_of(take(queries.columns, part), self.log).item_ids
        rows, places = np.nonzero(past != PADDING_ID)
        users, items = queries.user_ids[part][rows], self.items.raw_ids[past[rows, places]]
        return pl.DataFrame({"user_id": users, "item_id": items})

    @property
    def share_of_repeats(self) -> float:
        """Returns the share of relevant pairs of known users in their history; 0 without known users."""
        known = self.validation.at(np.flatnonzero(~self.validation.cold))
        if not known.relevant.height:
            return 0.0
        return 1 - self.unseen_pairs(known).height / known.relevant.height


def read_repeats(folder: Path) -> bool:
    """Returns whether lists of a training set or of a fine-tune set may repeat items."""
    return bool(json.loads((folder / REPEATS).read_text()))


def write_repeats(folder: Path, *, repeats: bool) -> None:
    """Writes whether lists may repeat items."""
    (folder / REPEATS).write_text(json.dumps(repeats) + "\n")
