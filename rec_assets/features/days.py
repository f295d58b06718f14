"""All that happened on a day: its raw rows, and what was recorded online and the raw day does not have."""

from pathlib import Path

import polars as pl

INTERACTION = ("user_id", "item_id", "timestamp")  # what tells one interaction from another


def whole_day(raw: Path, updates: Path) -> pl.LazyFrame:
    """Joins the two, by user, item and second; where they differ about the device, the raw day is right.

    Args:
        raw: a day of `raw_interactions`.
        updates: the same day of `behavioral_updates`, in the same columns; it may be empty.

    Returns:
        user_id, item_id, device_type int32, timestamp int64, sorted by timestamp, user_id, item_id as raw days are.
    """
    rows, recorded = pl.scan_parquet(raw), pl.scan_parquet(updates)
    if not recorded.select(pl.len()).collect().item():
        return rows
    columns = rows.collect_schema().names()
    missing = recorded.join(rows, on=INTERACTION, how="anti").select(columns)
    return pl.concat([rows, missing]).sort("timestamp", "user_id", "item_id", maintain_order=True)
