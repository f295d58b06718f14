"""The part of a training set that evaluations and restored models read: items, histories, queries. Contains no rows."""

import json
from dataclasses import dataclass
from functools import cached_property
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
SCHEMA = "schema.json"
# Below both, own items would take more places of candidates than they bring hits.
MIN_SHARE_OF_REPEATS = 0.05
MIN_SHARE_CHOSEN_AGAIN = 0.02
QUERIES_AT_ONCE = 20_000  # padded histories of all users of a large shop would take gigabytes


@dataclass(frozen=True)
class EvaluationSet:
    """Items, histories and queries in memory.

    Attributes:
        items: the item table.
        log: all interactions up to the as-of day; the history of a row is a slice that ends before the row.
        validation: the queries of the validation days.
        repeats: whether lists may repeat items of the user's history.
        schema_file: the Merlin schema of the transformed features (`preprocessing.merlin_schema`).
    """

    items: ItemTable
    log: InteractionLog
    validation: Queries
    repeats: bool
    schema_file: Path

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the folder of a training set or of a fine-tune set."""
        return cls(
            ItemTable.load(folder / ITEMS),
            InteractionLog.load(folder / LOG),
            Queries.load(folder / VALIDATION),
            read_repeats(folder),
            folder / SCHEMA,
        )

    def unseen_pairs(self, queries: Queries) -> pl.DataFrame:
        """Returns the relevant pairs of queries whose item is outside the user's history."""
        return queries.relevant.join(self._known_pairs(queries), on=["user_id", "item_id"], how="anti")

    @property
    def share_of_repeats(self) -> float:
        """Returns the share of relevant pairs of known users in their history; 0 without known users."""
        repeated, relevant, _ = self._repeated_pairs
        return repeated / max(relevant, 1)

    @property
    def share_chosen_again(self) -> float:
        """Returns the share of items in histories of known users that are chosen again; 0 without such items."""
        repeated, _, own = self._repeated_pairs
        return repeated / max(own, 1)

    @property
    def repeats_pay(self) -> bool:
        """True if lists should repeat items: many interactions repeat one, or many items of histories are repeated."""
        return self.share_of_repeats >= MIN_SHARE_OF_REPEATS or self.share_chosen_again >= MIN_SHARE_CHOSEN_AGAIN

    @cached_property
    def _repeated_pairs(self) -> tuple[int, int, int]:
        """Counts relevant pairs in histories, relevant pairs, and pairs of histories; all of known users."""
        known = self.validation.at(np.flatnonzero(~self.validation.cold))
        own = self._known_pairs(known)
        repeated = known.relevant.join(own, on=["user_id", "item_id"], how="semi")
        return repeated.height, known.relevant.height, own.height

    def _known_pairs(self, queries: Queries) -> pl.DataFrame:
        """Returns the distinct pairs of user_id and raw item_id in the histories of queries."""
        starts = range(0, max(len(queries), 1), QUERIES_AT_ONCE)
        return pl.concat(self._pairs_of(queries, slice(start, start + QUERIES_AT_ONCE)) for start in starts)

    def _pairs_of(self, queries: Queries, part: slice) -> pl.DataFrame:
        past = histories_of(take(queries.columns, part), self.log).item_ids
        rows, places = np.nonzero(past != PADDING_ID)
        users, items = queries.user_ids[part][rows], self.items.raw_ids[past[rows, places]]
        return pl.DataFrame({"user_id": users, "item_id": items}).unique()


def read_repeats(folder: Path) -> bool:
    """Returns whether lists of a training set or of a fine-tune set may repeat items."""
    return bool(json.loads((folder / REPEATS).read_text()))


def write_repeats(folder: Path, *, repeats: bool) -> None:
    """Writes whether lists may repeat items."""
    (folder / REPEATS).write_text(json.dumps(repeats) + "\n")
