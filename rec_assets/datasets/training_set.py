"""The training set of one as-of day on disk: rows, histories, item table and validation queries for all trainers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.datasets.evaluation_set import (
    ITEMS,
    LOG,
    SCHEMA,
    VALIDATION,
    EvaluationSet,
    write_repeats,
)
from rec_assets.datasets.item_table import build_item_table
from rec_assets.datasets.joined_days import log_of
from rec_assets.datasets.queries import build_queries
from rec_assets.datasets.rows import ROW_COLUMNS, Arrays, load_arrays, load_rows, take
from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP
from rec_assets.inference.lookups import Lookups

TRAIN, LAST = "train", "last"
REQUEST_KEYS = "askers.npz"  # the word of release 0.1: another name would change the digests of training sets
_KEYED_COLUMNS = (*ROW_COLUMNS, REQUEST_USER_ID, TIMESTAMP)


@dataclass(frozen=True)
class TrainingSet(EvaluationSet):
    """Input of a training in memory: narrow columns of rows, and item features only once, by item.

    Attributes:
        rows: the training rows with raw user ids and timestamps, each [n].
        last_rows: the rows of the validation days; trained on after the model was selected and evaluated on them.
    """

    rows: Arrays
    last_rows: Arrays

    @property
    def last_training_moment(self) -> int:
        """Returns the latest timestamp of the training rows, unix seconds."""
        return int(self.rows[TIMESTAMP].max())

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Reads a folder completed by `build_training_set` or `build_finetune_set`."""
        rows = load_part(folder, TRAIN)
        # A fine-tune set has no validation days to train on afterwards.
        last = load_part(folder, LAST) if (folder / LAST).exists() else take(rows, slice(0))
        one = EvaluationSet.load(folder)
        return cls(one.items, one.log, one.validation, one.repeats, one.schema_file, rows, last)


def load_part(folder: Path, part: str, columns: Sequence[str] = _KEYED_COLUMNS) -> Arrays:
    """Loads columns of the rows of a training set, each [n]: encoded ones, raw user ids and timestamps.

    Args:
        folder: the folder of the training set.
        part: `TRAIN` for the training days, `LAST` for the validation days.
        columns: names of the columns to load.
    """
    keys = load_arrays(folder / part / REQUEST_KEYS)
    loaded = load_rows(folder / part, [name for name in columns if name not in keys]) | keys
    return {name: loaded[name] for name in columns}


def build_training_set(
    folder: Path,
    catalog: pl.DataFrame,
    content: Mapping[str, npt.NDArray[np.float32]],
    masked_train: Sequence[Path],
    masked_valid: Sequence[Path],
    joined_train: Sequence[Path],
    joined_valid: Sequence[Path],
    encoded_valid: Path,
    lookups: Lookups,
    *,
    repeats: bool | None = None,
) -> TrainingSet:
    """Completes a folder that holds the schema and the transformed, masked rows in `train/` and `last/`.

    Args:
        folder: the folder to complete; `last/` has the rows of the validation days.
        catalog: transformed items, with `raw_item_id` and `first_day`.
        content: `image_embedding` and `text_embedding`, float32 [items, 64], in the order of `catalog`.
        masked_train: files of the masked rows of the training days, in the order of `train/`.
        masked_valid: files of the masked rows of the validation days, in the order of `last/`.
        joined_train: files of the joined (unmasked) rows of the training days, in order.
        joined_valid: files of the joined rows of the validation days, in order.
        encoded_valid: folder of the transformed joined rows of the validation days, then of their `history_files`.
        lookups: codes of the fitted workflow.
        repeats: whether lists may repeat items; None decides by the validation days (`EvaluationSet.repeats_pay`).
    """
    train_ids = load_rows(folder / TRAIN, ["item_id"])["item_id"]
    log = log_of([*joined_train, *joined_valid], lookups)
    log.save(folder / LOG)
    for part, masked in ((TRAIN, masked_train), (LAST, masked_valid)):
        write_request_keys(folder / part, masked)
    raw_ids, first_days = catalog["raw_item_id"].to_list(), catalog["first_day"]
    items = build_item_table(catalog, raw_ids, first_days, dict(content), train_ids, log)
    items.save(folder / ITEMS)
    queries = build_queries(joined_valid, load_rows(encoded_valid))
    queries.save(folder / VALIDATION)
    if repeats is None:
        repeats = EvaluationSet(items, log, queries, repeats=True, schema_file=folder / SCHEMA).repeats_pay
    write_repeats(folder, repeats=repeats)
    return TrainingSet.load(folder)


def write_request_keys(folder: Path, masked: Sequence[Path], lookups: Lookups | None = None) -> None:
    """Writes raw user ids and timestamps beside transformed rows.

    With `lookups`, also writes item codes, because extended lookups contain items that the workflow lacks. Rows that
    were made anonymous (-1) have no history.
    """
    rows = pl.concat([pl.read_parquet(file, columns=["user_id", "timestamp", "item_id"]) for file in masked])
    columns = {REQUEST_USER_ID: rows["user_id"].to_numpy(), TIMESTAMP: rows["timestamp"].to_numpy()}
    if lookups is not None:
        columns["item_id"] = lookups.encode("item_id", rows["item_id"].to_numpy())
    np.savez(folder / REQUEST_KEYS, **columns)
