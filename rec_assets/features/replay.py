"""The replay set: older rows that a fine-tune sees beside those of its day, so that it does not forget them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl


def replay_rows(files: Sequence[Path], count: int, seed: int) -> pl.DataFrame:
    """Draws rows of older days, every row as likely as any other, without replacement and kept in order.

    Args:
        files: parquet files of the older days, in order; one of them is in memory at a time.
        count: rows wanted; all there are, where they are fewer.
        seed: equal seeds and files draw equal rows.
    """
    sizes = [pl.scan_parquet(file).select(pl.len()).collect().item() for file in files]
    total = sum(sizes)
    drawn = np.sort(np.random.default_rng(seed).choice(total, min(count, total), replace=False))
    starts = np.concatenate([[0], np.cumsum(sizes)])
    parts = []
    for file, start, end in zip(files, starts[:-1], starts[1:], strict=True):
        own = drawn[(drawn >= start) & (drawn < end)] - start
        if len(own):
            parts.append(pl.read_parquet(file)[own])
    return pl.concat(parts) if parts else pl.read_parquet(files[0]).head(0)
