"""Frames on disk."""

from pathlib import Path

import polars as pl


def write_frame(frame: pl.DataFrame, file: Path) -> None:
    """Writes a frame as parquet: the same rows are the same bytes, however they were computed.

    Polars begins a row group with every chunk of a frame, and where its streaming engine cuts chunks is chance.
    """
    frame.rechunk().write_parquet(file)
