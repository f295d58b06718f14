"""Shown lists as rows: one row per answer and position."""

import polars as pl

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
}


def shown_rows(answers: pl.DataFrame) -> pl.DataFrame:
    """Returns one row per answer and position, in the order of the answers; an empty list has no row.

    Args:
        answers: the columns of `realtime.answers.schema.LISTS`.

    Returns:
        The columns of `SHOWN`.
    """
    rows = answers.filter(pl.col("item_ids").list.len() > 0).with_columns(
        position=pl.int_ranges(1, pl.col("item_ids").list.len() + 1, dtype=pl.Int32)
    )
    named = rows.rename({"item_ids": "item_id", "scores": "score"}).explode("position", "item_id", "score")
    return named.select(pl.col(name).cast(dtype) for name, dtype in SHOWN.items())
