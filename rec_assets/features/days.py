"""Combines the raw rows of a day with interactions that were recorded online and are missing in the raw day.

Online events also have a kind, clicked or bought.
"""

from pathlib import Path

import polars as pl

from rec_assets.sources.roles import with_role

INTERACTION = ("user_id", "item_id", "timestamp")  # key of an interaction
UNKNOWN_KIND = "unknown"  # of an interaction of the raw day that no online event reports


def whole_day(raw: Path, updates: Path) -> pl.LazyFrame:
    """Adds the missing recorded interactions to a raw day, by user, item and second; raw rows keep their device.

    Args:
        raw: a day of `raw_interactions`.
        updates: the same day of `behavioral_updates`, with the same columns and kind; may be empty.

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


def with_kind(rows: pl.LazyFrame, updates: Path) -> pl.LazyFrame:
    """Adds the column kind: that of the online event with the same user, item and second, or `UNKNOWN_KIND`.

    Args:
        rows: interactions of a day.
        updates: the same day of `behavioral_updates`; those of an earlier release have no kinds.
    """
    kinds = pl.scan_parquet(updates)
    if "kind" not in kinds.collect_schema():
        return rows.with_columns(kind=pl.lit(UNKNOWN_KIND))
    known = kinds.select(*INTERACTION, "kind").unique(INTERACTION)
    return rows.join(known, on=INTERACTION, how="left").with_columns(pl.col("kind").fill_null(UNKNOWN_KIND))
