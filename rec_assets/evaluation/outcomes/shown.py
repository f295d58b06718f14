"""Shown lists as rows: one row per answer and position."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from rec_assets.realtime.answers.schema import INPUTS
from rec_assets.serving.answers.inputs import unpack_inputs

# history_events: interactions before the request that the lists came from, of the store and of the visitor's session;
# last_event: unix second of the newest, null without one. Both are null if the inputs cannot be read.
HISTORY: dict[str, pl.DataType | type[pl.DataType]] = {"history_events": pl.Int32, "last_event": pl.Int64}
# at: unix milliseconds of the answer; timestamp: unix seconds that the models took as the time of the request;
# position: 1 for the first item; score: as the answer had it.
SHOWN: dict[str, pl.DataType | type[pl.DataType]] = {
    "answer_id": pl.String,
    "at": pl.Int64,
    "user_id": pl.Int32,
    "bundle_id": pl.String,
    "rules_version": pl.String,
    "device_type": pl.Int32,
    "timestamp": pl.Int64,
    "position": pl.Int32,
    "item_id": pl.Int32,
    "score": pl.Float32,
    **HISTORY,
}


def shown_rows(answers: pl.DataFrame) -> pl.DataFrame:
    """Returns one row per answer and position, in the order of the answers; an empty list has no row.

    Args:
        answers: the columns of `realtime.answers.schema.LISTS`, and those of `HISTORY`.

    Returns:
        The columns of `SHOWN`.
    """
    rows = answers.filter(pl.col("item_ids").list.len() > 0).with_columns(
        position=pl.int_ranges(1, pl.col("item_ids").list.len() + 1, dtype=pl.Int32)
    )
    named = rows.rename({"item_ids": "item_id", "scores": "score"}).explode("position", "item_id", "score")
    return named.select(pl.col(name).cast(dtype) for name, dtype in SHOWN.items())


def histories_in(answers: pl.DataFrame) -> pl.DataFrame:
    """Returns the columns of `HISTORY` for answers with the columns `inputs` and `timestamp`, one row each."""
    rows = [_history_in(*one) for one in answers.select(INPUTS, "timestamp").iter_rows()]
    return pl.DataFrame(rows, HISTORY, orient="row")


def read_shown(files: Sequence[Path]) -> pl.LazyFrame:
    """Reads files of shown lists; columns that a file of an earlier release lacks are null."""
    return pl.scan_parquet([*files], schema=SHOWN, missing_columns="insert")


def _history_in(inputs: bytes, now: int) -> tuple[int | None, int | None]:
    try:
        arrays = unpack_inputs(inputs)
    except ValueError:
        return None, None
    session = arrays["recent"].reshape(-1, 2).astype(np.int64)
    stored = np.stack([arrays["raw_user/recent_item_id"], arrays["raw_user/recent_timestamp"]], axis=1)
    events = np.unique(np.concatenate([stored, session]), axis=0)  # a session may also be stored
    events = events[events[:, 1] < now]
    return len(events), int(events[:, 1].max()) if len(events) else None
