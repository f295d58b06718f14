"""The training set of one as-of day on disk: rows, histories, item table and validation queries; all trainers read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from merlin.schema import Schema

from rec_assets.features.history import EventLog
from rec_assets.models.queries import Queries, build_queries
from rec_assets.models.rows import ASKED_BY, TIMESTAMP, Arrays, ItemTable, build_item_table, load_rows
from rec_assets.models.schema_file import load_schema, save_schema
from rec_assets.serving.lookups import OUT_OF_VOCABULARY

SCHEMA = "schema.json"


@dataclass(frozen=True)
class TrainingSet:
    """What a full training reads, in memory: narrow columns of rows, and item features once a catalogue.

    Attributes:
        schema: of the transformed features.
        rows: the training rows, each [n], with who asked and when.
        log: all interactions up to the as-of day; a history is a slice of it that ends before the row.
        items: the item table.
        validation: the queries of the validation days.
    """

    schema: Schema
    rows: Arrays
    log: EventLog
    items: ItemTable
    validation: Queries

    @classmethod
    def load(cls, folder: Path) -> "TrainingSet":
        """Reads what `build_training_set` wrote."""
        with np.load(folder / "asked.npz") as asked:
            rows = load_rows(folder / "train") | {name: asked[name] for name in asked.files}
        return cls(
            load_schema(folder / SCHEMA),
            rows,
            EventLog.load(folder / "log.npz"),
            ItemTable.load(folder / "items.npz"),
            Queries.load(folder / "validation"),
        )


def build_training_set(
    folder: Path,
    schema: Schema,
    catalogue: pl.DataFrame,
    content: Mapping[str, npt.NDArray[np.float32]],
    joined_train: Sequence[Path],
    joined_valid: Sequence[Path],
    encoded_valid: Path,
) -> TrainingSet:
    """Completes a folder that holds the transformed, masked training rows in `train/`.

    Args:
        folder: where everything goes.
        schema: of the transformed features.
        catalogue: transformed items, with `raw_item_id` and `first_day`.
        content: `image_embedding` and `text_embedding`, float32 [items, 64], in the order of `catalogue`.
        joined_train: the joined rows of the training days, in the order of the transformed ones.
        joined_valid: the joined rows of the validation days, in order.
        encoded_valid: folder of the same rows, transformed.
    """
    rows, valid = load_rows(folder / "train"), load_rows(encoded_valid)
    asked = pl.concat(
        [pl.read_parquet(file, columns=["user_id", "timestamp"]) for file in (*joined_train, *joined_valid)]
    )
    users, timestamps = asked["user_id"].to_numpy(), asked["timestamp"].to_numpy()
    item_ids = np.concatenate([rows["item_id"], valid["item_id"]])
    EventLog.of(users, timestamps, item_ids).save(folder / "log.npz")
    train = slice(0, len(rows["item_id"]))
    # A row that was made anonymous has no history either: strangers have none.
    strangers = rows["user_id"] == OUT_OF_VOCABULARY
    np.savez(
        folder / "asked.npz",
        **{ASKED_BY: np.where(strangers, np.int32(-1), users[train]), TIMESTAMP: timestamps[train]},
    )
    raw_ids, first_days = catalogue["raw_item_id"].to_list(), catalogue["first_day"]
    items = build_item_table(catalogue, raw_ids, first_days, dict(content), rows["item_id"], item_ids, timestamps)
    items.save(folder / "items.npz")
    build_queries(joined_valid, valid).save(folder / "validation")
    save_schema(schema, folder / SCHEMA)
    return TrainingSet.load(folder)
