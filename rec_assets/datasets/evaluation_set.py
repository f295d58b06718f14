"""The part of a training set that evaluations read: items, histories and validation queries. Contains no rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.queries import Queries
from rec_assets.features.history import InteractionLog

ITEMS, LOG, VALIDATION = "items.npz", "log.npz", "validation"


@dataclass(frozen=True)
class EvaluationSet:
    """Items, histories and queries in memory.

    Attributes:
        items: the item table.
        log: all interactions up to the as-of day; the history of a row is a slice that ends before the row.
        validation: the queries of the validation days.
    """

    items: ItemTable
    log: InteractionLog
    validation: Queries

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads the folder of a training set or of a fine-tune set."""
        return cls(ItemTable.load(folder / ITEMS), InteractionLog.load(folder / LOG), Queries.load(folder / VALIDATION))
