"""Combines the raw rows of a day with interactions that were recorded online and are missing in the raw day."""

from pathlib import Path

import polars as pl

from rec_assets.sources.roles import with_role

INTERACTION = ("user_id", "item_id", "timestamp")  # key of an interaction


def whole_day(raw: Path, updates: Path) -> pl.LazyFrame:
    """Adds the missing recorded interactions to a raw day, by user, item and second; raw rows keep their device.

    Args:
        raw: a day of `raw_interactions`.
        updates: the same day of `behavioral_updates`, with the same columns; may be empty.

    Returns:
        user_id, item_id, device_type int32, timestamp int64, role int32, sorted by timestamp, user_id, item_id
        like raw days.
    """
    rows, recorded = with_role(pl.scan_parquet(raw)), with_role(pl.scan_parquet(updates))
    if not recorded.select(pl.len()).collect().item():
        return rows
    columns = rows.collect_schema().names()
    missing = recorded.join(rows, on=INTERACTION, how="anti").select(columns)
    return pl.concat([rows, missing]).sort("timestamp", "user_id", "item_id", maintain_order=True)
