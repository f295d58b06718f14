"""Judges ranked lists: per-user metrics, averaged, as RecTools computes them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rectools import Columns
from rectools.metrics import NDCG, HitRate, Recall, calc_metrics

METRICS = {
    "recall@10": Recall(k=10),
    "recall@100": Recall(k=100),
    "recall@300": Recall(k=300),
    "ndcg@10": NDCG(k=10, divide_by_achievable=True),
    "hit_rate@10": HitRate(k=10),
}


def score_lists(
    user_ids: npt.NDArray[np.int32],
    lists: npt.NDArray[np.integer[Any]],
    relevant: pl.DataFrame,
    metrics: tuple[str, ...] = tuple(METRICS),
) -> dict[str, float]:
    """Averages metrics over users.

    Args:
        user_ids: raw ids, int32 [q].
        lists: raw item ids, best first, [q, k]; -1 where a list is shorter than k.
        relevant: columns user_id and item_id; users without a relevant item do not count.
        metrics: names out of `METRICS`. NDCG is binary and divided by the best a list of 10 could reach.
    """
    depth = max(METRICS[name].k for name in metrics)
    lists = lists[:, :depth]
    reco = pl.DataFrame(
        {
            Columns.User: np.repeat(user_ids, lists.shape[1]),
            Columns.Item: lists.ravel().astype(np.int64),
            Columns.Rank: np.tile(np.arange(1, lists.shape[1] + 1), len(lists)),
        }
    ).filter(pl.col(Columns.Item) >= 0)
    interactions = relevant.filter(pl.col("user_id").is_in(pl.Series(user_ids).implode()))
    values = calc_metrics({name: METRICS[name] for name in metrics}, reco.to_pandas(), interactions.to_pandas())
    return {name: float(values[name]) for name in metrics}


def by_segment(
    user_ids: npt.NDArray[np.int32],
    lists: npt.NDArray[np.integer[Any]],
    relevant: pl.DataFrame,
    segments: Mapping[str, npt.NDArray[np.bool_]],
) -> pl.DataFrame:
    """One row a segment that has users: segment, users, then every metric."""
    rows = [
        {"segment": name, "users": int(mask.sum()), **score_lists(user_ids[mask], lists[mask], relevant)}
        for name, mask in segments.items()
        if mask.any()
    ]
    return pl.DataFrame(rows)
