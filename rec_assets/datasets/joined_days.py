"""Joined rows of days, in two files a day: rows that teach, and rows that are only history.

Both files have the same columns.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from rec_assets.features.history import InteractionLog
from rec_assets.inference.lookups import Lookups
from rec_assets.sources.roles import HISTORY, ROLE, TARGET
from rec_assets.storage.frames import write_frame

ROWS, HISTORY_ROWS = "rows.parquet", "history.parquet"


def write_joined(rows: pl.DataFrame, folder: Path) -> None:
    """Writes the joined rows of a day by their role; a day without rows that are only history has one file."""
    targets, history = (rows.filter(pl.col(ROLE) == role).drop(ROLE) for role in (TARGET, HISTORY))
    write_frame(targets, folder / ROWS)
    if history.height:
        write_frame(history, folder / HISTORY_ROWS)


def history_files(joined: Sequence[Path]) -> list[Path]:
    """Returns the files of rows that are only history, of the days of some `ROWS`; most days have none."""
    return [file for rows in joined if (file := rows.with_name(HISTORY_ROWS)).exists()]


def read_events(joined: Sequence[Path], columns: Sequence[str]) -> pl.DataFrame:
    """Reads columns of all rows of some days and adds `role`: first the rows that teach, then those of history."""
    parts = ((TARGET, joined), (HISTORY, history_files(joined)))
    return pl.concat(
        pl.read_parquet(file, columns=list(columns)).with_columns(pl.lit(role, pl.Int32).alias(ROLE))
        for role, files in parts
        for file in files
    )


def log_of(joined: Sequence[Path], lookups: Lookups | None = None) -> InteractionLog:
    """Returns the log of some days with encoded item ids, without lookups with raw ones."""
    parts = [InteractionLog.of([], [], [])]
    # File by file, because the columns of all days would take more memory than the log.
    for role, files in ((TARGET, joined), (HISTORY, history_files(joined))):
        for file in files:
            events = pl.read_parquet(file, columns=["user_id", "item_id", "timestamp"])
            users, raw_items, times = (events[name].to_numpy() for name in ("user_id", "item_id", "timestamp"))
            items = raw_items if lookups is None else lookups.encode("item_id", raw_items)
            parts.append(InteractionLog.of(users, times, items, np.full(len(users), role == HISTORY)))
    return InteractionLog.merged(parts)
