"""Metrics of ranked lists, computed by RecTools: per user, and averaged over users."""

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl
from rectools import Columns
from rectools.metrics import NDCG, CatalogCoverage, HitRate, Recall

if TYPE_CHECKING:
    import pandas as pd

METRICS = {
    "recall@10": Recall(k=10),
    "recall@100": Recall(k=100),
    "recall@300": Recall(k=300),
    "ndcg@10": NDCG(k=10, divide_by_achievable=True),
    "hit_rate@10": HitRate(k=10),
}
COVERAGE = CatalogCoverage(k=10, normalize=True)

UserIds = npt.NDArray[np.int32]
Lists = npt.NDArray[np.integer[Any]]


def among(user_ids: UserIds, lists: Lists, pairs: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Returns True at positions of the lists [q, k] whose item is paired with the user of the list; bool [q, k]."""

    def keys(users: npt.NDArray[Any], items: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        return users.astype(np.int64) << 32 | items.astype(np.int64)

    pairs = rows_of(pairs, user_ids)
    paired = np.unique(keys(pairs["user_id"].to_numpy(), pairs["item_id"].to_numpy()))
    if not len(paired):
        return np.zeros(lists.shape, np.bool_)
    listed = keys(user_ids[:, None], lists)
    positions = np.minimum(np.searchsorted(paired, listed), len(paired) - 1)
    return (lists >= 0) & (paired[positions] == listed)


def rows_of(rows: pl.DataFrame, user_ids: UserIds) -> pl.DataFrame:
    """Returns the rows of some users."""
    return rows.filter(pl.col("user_id").is_in(pl.Series(user_ids).implode()))


def user_scores(
    user_ids: UserIds, lists: Lists, relevant: pl.DataFrame, metrics: tuple[str, ...] = tuple(METRICS)
) -> pl.DataFrame:
    """Scores the list of each user.

    Args:
        user_ids: raw ids, int32 [q].
        lists: raw item ids, best first, padded with -1, [q, k].
        relevant: columns user_id and item_id; users without a relevant item are left out.
        metrics: names from `METRICS`. NDCG has binary relevance, divided by the best value of a list of 10.

    Returns:
        One row per user with a relevant item: user_id, then the metrics, float64.
    """
    depth = max(METRICS[name].k for name in metrics)
    lists = lists[:, :depth]
    # Only positions with a relevant item change a metric, and they are few. RecTools also requires rank 1.
    kept = among(user_ids, lists, relevant)
    kept[:, :1] = True
    reco = _as_reco(user_ids, lists, kept)
    interactions = rows_of(relevant, user_ids).to_pandas()
    scores = {name: METRICS[name].calc_per_user(reco, interactions) for name in metrics}
    return pl.DataFrame({"user_id": scores[metrics[0]].index.to_numpy()}).with_columns(
        # The order of users differs between metrics.
        pl.Series(name, values.loc[scores[metrics[0]].index].to_numpy())
        for name, values in scores.items()
    )


def score_lists(
    user_ids: UserIds, lists: Lists, relevant: pl.DataFrame, metrics: tuple[str, ...] = tuple(METRICS)
) -> dict[str, float]:
    """Averages `user_scores` over users with a relevant item."""
    means = user_scores(user_ids, lists, relevant, metrics).select(pl.col(metrics).mean())
    return means.row(0, named=True)


def coverage(lists: Lists, catalog: npt.NDArray[np.int32]) -> float:
    """Returns the share of the catalog (raw ids) in the first ten positions of any list."""
    top = lists[:, : COVERAGE.k]
    return float(COVERAGE.calc(_as_reco(np.arange(len(top), dtype=np.int32), top, top >= 0), catalog))


def _as_reco(user_ids: UserIds, lists: Lists, kept: npt.NDArray[np.bool_]) -> "pd.DataFrame":
    """Returns a row for each position of the lists [q, k] that is kept [q, k]."""
    rows, positions = np.nonzero(kept)
    columns = {
        Columns.User: user_ids[rows],
        Columns.Item: lists[kept].astype(np.int64),
        Columns.Rank: positions + 1,
    }
    return pl.DataFrame(columns).to_pandas()
