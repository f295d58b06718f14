"""The training set of one as-of day on disk: rows, item table and validation queries; all that trainers read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from merlin.schema import Schema

from rec_assets.models.queries import Queries, build_queries
from rec_assets.models.rows import Arrays, ItemTable, build_item_table, load_rows
from rec_assets.models.schema_file import load_schema, save_schema

SCHEMA = "schema.json"


@dataclass(frozen=True)
class TrainingSet:
    """What a full training reads, in memory: narrow columns of rows, and item features once a catalogue."""

    schema: Schema
    rows: Arrays
    items: ItemTable
    validation: Queries

    @classmethod
    def load(cls, folder: Path) -> "TrainingSet":
        """Reads what `build_training_set` wrote."""
        return cls(
            load_schema(folder / SCHEMA),
            load_rows(folder / "train"),
            ItemTable.load(folder / "items.npz"),
            Queries.load(folder / "validation"),
        )


def build_training_set(
    folder: Path,
    schema: Schema,
    catalogue: pl.DataFrame,
    content: Mapping[str, npt.NDArray[np.float32]],
    joined_valid: Sequence[Path],
    encoded_valid: Path,
) -> TrainingSet:
    """Completes a folder that holds the transformed training rows in `train/`.

    Args:
        folder: where everything goes.
        schema: of the transformed features.
        catalogue: transformed items, with `raw_item_id`.
        content: `image_embedding` and `text_embedding`, float32 [items, 64], in the order of `catalogue`.
        joined_valid: the joined rows of the validation days, in order.
        encoded_valid: folder of the same rows, transformed.
    """
    rows = load_rows(folder / "train")
    items = build_item_table(catalogue, catalogue["raw_item_id"].to_list(), dict(content), rows["item_id"])
    items.save(folder / "items.npz")
    validation = build_queries(joined_valid, load_rows(encoded_valid))
    validation.save(folder / "validation")
    save_schema(schema, folder / SCHEMA)
    return TrainingSet(schema, rows, items, validation)
