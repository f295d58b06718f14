"""Popularity on a device at a time of day: the baseline for anonymous users."""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.common.units import DAY_SECONDS, HOUR_SECONDS
from rec_assets.evaluation.baselines.interaction_matrix import end_of

PART_SECONDS = 6 * HOUR_SECONDS  # night, morning, afternoon, evening
# Interactions of the overall popularity that are added to the counts of a context.
PRIOR = 1_000.0


def context_popularity(
    rows: pl.DataFrame,
    timestamps: npt.NDArray[np.integer[Any]],
    device_types: npt.NDArray[np.integer[Any]],
    depth: int,
    days: int,
) -> npt.NDArray[np.int32]:
    """Returns raw item ids [q, min(depth, items)], most popular in the context of each request first.

    Args:
        rows: item_id, device_type and timestamp of the interactions.
        timestamps: times of the requests, unix seconds [q].
        device_types: raw device types of the requests [q].
        depth: length of the lists.
        days: number of last days to count.
    """
    recent = rows.filter(pl.col("timestamp") >= end_of(rows) - days * DAY_SECONDS)
    item_ids, items = np.unique(recent["item_id"].to_numpy(), return_inverse=True)
    overall = np.bincount(items) / len(items)
    row_contexts = _context(recent["timestamp"].to_numpy(), recent["device_type"].to_numpy())
    request_contexts = _context(timestamps, device_types)
    lists = np.empty((len(request_contexts), min(depth, len(item_ids))), np.int32)
    for context in np.unique(request_contexts):
        counts = np.bincount(items[row_contexts == context], minlength=len(item_ids))
        order = np.argsort(-(counts + PRIOR * overall), kind="stable")
        lists[request_contexts == context] = item_ids[order[: lists.shape[1]]]
    return lists


def _context(timestamps: npt.NDArray[Any], device_types: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    return (timestamps % DAY_SECONDS // PART_SECONDS) * 256 + device_types.astype(np.int64)
