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
from rec_assets.features.history import PADDING_ID, InteractionLog

ITEMS, LOG, VALIDATION, REPEATS = "items.npz", "log.npz", "validation", "repeats.json"
# Below both, own items would take more places of candidates than they bring hits.
MIN_SHARE_OF_REPEATS = 0.05
MIN_SHARE_CHOSEN_AGAIN = 0.02


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
        past = histories_of(queries.columns, self.log).item_ids
        rows, places = np.nonzero(past != PADDING_ID)
        known = pl.DataFrame({"user_id": queries.user_ids[rows], "item_id": self.items.raw_ids[past[rows, places]]})
        return queries.relevant.join(known, on=["user_id", "item_id"], how="anti")

    @property
    def share_of_repeats(self) -> float:
        """Returns the share of relevant pairs of known users in their history; 0 without known users."""
        known = self.validation.at(np.flatnonzero(~self.validation.cold))
        if not known.relevant.height:
            return 0.0
        return 1 - self.unseen_pairs(known).height / known.relevant.height

    @property
    def share_chosen_again(self) -> float:
        """Returns the share of items in histories of known users that are chosen again; 0 without such items."""
        known = self.validation.at(np.flatnonzero(~self.validation.cold))
        past = np.sort(histories_of(known.columns, self.log).item_ids, axis=1)
        own = int((np.diff(past, axis=1, prepend=PADDING_ID) != 0).sum())  # distinct items of each user
        return self.share_of_repeats * known.relevant.height / own if own else 0.0

    @property
    def repeats_pay(self) -> bool:
        """True if lists should repeat items: many interactions do, or many of the few items of histories are chosen."""
        return self.share_of_repeats >= MIN_SHARE_OF_REPEATS or self.share_chosen_again >= MIN_SHARE_CHOSEN_AGAIN


def read_repeats(folder: Path) -> bool:
    """Returns whether lists of a training set or of a fine-tune set may repeat items."""
    return bool(json.loads((folder / REPEATS).read_text()))


def write_repeats(folder: Path, *, repeats: bool) -> None:
    """Writes whether lists may repeat items."""
    (folder / REPEATS).write_text(json.dumps(repeats) + "\n")
