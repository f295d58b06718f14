"""Opens what the trainers read: schema, encoded rows, the item table and the queries that validate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import nvtabular as nvt
import polars as pl
from merlin.schema import Schema

from rec_assets.models.queries import Queries, build_queries
from rec_assets.models.rows import Arrays, ItemTable, build_item_table, load_rows


@dataclass(frozen=True)
class TrainingData:
    """Everything a full training reads, in memory: narrow columns of rows, and item features once a catalogue."""

    schema: Schema
    rows: Arrays
    items: ItemTable
    validation: Queries


def load_training_data(
    workflow: Path,
    encoded: Path,
    joined_valid: Sequence[Path],
    content: Mapping[str, npt.NDArray[np.float32]],
) -> TrainingData:
    """Opens the artifacts of one as-of day.

    Args:
        workflow: the saved full workflow.
        encoded: folder with `train/`, `valid/` and `items.parquet`.
        joined_valid: the joined rows of the validation days, in order.
        content: `image_embedding` and `text_embedding`, float32 [items, 64], in the order of `items.parquet`.
    """
    rows = load_rows(encoded / "train")
    catalogue = pl.read_parquet(encoded / "items.parquet")
    items = build_item_table(catalogue, catalogue["raw_item_id"].to_list(), dict(content), rows["item_id"])
    validation = build_queries(joined_valid, load_rows(encoded / "valid"))
    return TrainingData(nvt.Workflow.load(str(workflow)).output_schema, rows, items, validation)
