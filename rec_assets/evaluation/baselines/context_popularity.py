"""Popularity on a device at a time of day: the baseline for anonymous users."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.evaluation.baselines.interaction_matrix import end_of
from rec_assets.sources.base import DAY_SECONDS

PART_SECONDS = 6 * 3600  # night, morning, afternoon, evening
# A context's own counts are mixed with as many interactions of the overall popularity.
PRIOR = 1_000.0


def context_popularity(
    rows: pl.DataFrame,
    timestamps: npt.NDArray[np.integer[Any]],
    device_types: npt.NDArray[np.integer[Any]],
    depth: int,
    days: int,
) -> npt.NDArray[np.int32]:
    """Raw item ids [q, min(depth, items)], most popular in the context of each request first.

    Args:
        rows: item_id, device_type, timestamp of what was chosen.
        timestamps: of the requests, unix seconds [q].
        device_types: theirs, raw [q].
        depth: of the lists.
        days: how many of the last days count.
    """
    recent = rows.filter(pl.col("timestamp") >= end_of(rows) - days * DAY_SECONDS)
    item_ids, items = np.unique(recent["item_id"].to_numpy(), return_inverse=True)
    overall = np.bincount(items) / len(items)
    chosen_in = _context(recent["timestamp"].to_numpy(), recent["device_type"].to_numpy())
    asked_in = _context(timestamps, device_types)
    lists = np.empty((len(asked_in), min(depth, len(item_ids))), np.int32)
    for context in np.unique(asked_in):
        counts = np.bincount(items[chosen_in == context], minlength=len(item_ids))
        order = np.argsort(-(counts + PRIOR * overall), kind="stable")
        lists[asked_in == context] = item_ids[order[: lists.shape[1]]]
    return lists


def _context(timestamps: npt.NDArray[Any], device_types: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return (timestamps % DAY_SECONDS // PART_SECONDS) * 256 + device_types.astype(np.int64)
