"""The replay set: older rows that a fine-tune adds to the rows of its day, to limit forgetting."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl


def replay_rows(files: Sequence[Path], count: int, seed: int) -> pl.DataFrame:
    """Draws rows of older days uniformly, without replacement and in their original order.

    Args:
        files: parquet files of the older days, in order; only one file is in memory at a time.
        count: number of rows to draw; smaller sets are returned whole.
        seed: random seed; equal seeds and files draw the same rows.
    """
    sizes = [pl.scan_parquet(file).select(pl.len()).collect().item() for file in files]
    total = sum(sizes)
    drawn = np.sort(np.random.default_rng(seed).choice(total, min(count, total), replace=False))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    parts = []
    for file, start, end in zip(files, starts[:-1], starts[1:], strict=True):
        file_rows = drawn[(drawn >= start) & (drawn < end)] - start
        if len(file_rows):
            parts.append(pl.read_parquet(file)[file_rows])
    return pl.concat(parts) if parts else pl.read_parquet(files[0]).head(0)
