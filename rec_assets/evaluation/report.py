"""The evaluation report: metrics of every method's lists by track and by user segment."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.datasets.queries import Queries
from rec_assets.evaluation.metrics import METRICS, UserIds, among, coverage, rows_of, user_scores

Lists = npt.NDArray[np.int32]
DEPTH = 300
MAX_EVALUATED_USERS = 20_000  # of a period; gives a standard error of NDCG@10 near 0.002

# Tracks: all items, or only items new to the user, both in the lists and in the relevant items.
ALL, NEW = "all", "new"
# A segment of items, not of users: relevant items without training rows.
NEW_ITEMS = "new items"
TOP = 10
ERROR = "ndcg@10_error"  # standard error of the mean NDCG@10
COMPARED = "ndcg@10"
COLUMNS = {
    **dict.fromkeys(("track", "method", "segment"), pl.String),
    **dict.fromkeys(("users", "pairs"), pl.Int64),
    **dict.fromkeys((*METRICS, "coverage@10", "new_items@10", ERROR), pl.Float64),
}


@dataclass(frozen=True)
class EvaluationReport:
    """One row per track, method and segment.

    Columns: track, method, segment, users, pairs, the metrics of `metrics.METRICS`, coverage@10, new_items@10.
    `users` counts users with a relevant item, `pairs` counts pairs of user and relevant item. `coverage@10` is the
    share of the catalog in the first ten positions of any list. `new_items@10` is the share of first ten positions
    whose items have no training rows. `ndcg@10_error` is the standard error of NDCG@10 over users.
    """

    table: pl.DataFrame

    def value(self, method: str, metric: str, segment: str = "all", track: str = ALL) -> float:
        """Returns one figure; raises KeyError if the table lacks the row."""
        row = self.table.filter(track=track, method=method, segment=segment)
        if row.is_empty():
            raise KeyError(f"{track} / {method} / {segment}")
        return float(row[metric][0])


def evaluate(
    queries: Queries,
    history: pl.DataFrame,
    catalog: npt.NDArray[np.int32],
    tracks: Mapping[str, Mapping[str, Lists]],
) -> EvaluationReport:
    """Scores every method's lists on all users and on segments of users.

    Args:
        queries: the users and their relevant items.
        history: the training rows: user_id, item_id.
        catalog: raw ids of all items that could be recommended.
        tracks: track → method → raw ids [q, k], padded with -1. Lists of `NEW` contain no items of the history.
    """
    trained = history["item_id"].unique()
    # The rest needs only the rows of these users, a small part of millions.
    user_rows = rows_of(history, queries.user_ids)
    masks = segments(queries, user_rows)
    rows = []
    for track, methods in tracks.items():
        relevant = relevant_of(track, queries, user_rows)
        untrained = relevant.filter(~pl.col("item_id").is_in(trained.implode()))
        for method, lists in methods.items():
            scores = user_scores(queries.user_ids, lists, relevant)
            for segment, mask in masks.items():
                figures = _figures(queries.user_ids[mask], lists[mask], scores, relevant, catalog, trained)
                rows.append([track, method, segment, *figures])
            scores = user_scores(queries.user_ids, lists, untrained)
            figures = _figures(queries.user_ids, lists, scores, untrained, catalog, trained)
            rows.append([track, method, NEW_ITEMS, *figures])
    table = pl.DataFrame(rows, COLUMNS, orient="row")
    return EvaluationReport(table.filter(pl.col("users") > 0))


def empty_table() -> pl.DataFrame:
    """Returns the table of a report without rows."""
    return pl.DataFrame(schema=COLUMNS)


def _figures(
    user_ids: UserIds,
    lists: Lists,
    scores: pl.DataFrame,
    relevant: pl.DataFrame,
    catalog: npt.NDArray[np.int32],
    trained: pl.Series,
) -> tuple[float | None, ...]:
    """Returns the columns of a report row from `users` on, for these users and their lists."""
    own_scores = rows_of(scores, user_ids)
    top_items = lists[:, :TOP][lists[:, :TOP] >= 0]
    return (
        own_scores.height,
        rows_of(relevant, user_ids).height,
        *own_scores.select(pl.col(METRICS).mean()).row(0),
        coverage(lists, catalog),
        float(1 - np.isin(top_items, trained.to_numpy()).mean()) if top_items.size else None,
        _standard_error(own_scores[COMPARED].to_numpy()),
    )


def paired_differences(
    queries: Queries, history: pl.DataFrame, tracks: Mapping[str, Mapping[str, Lists]], first: str, second: str
) -> pl.DataFrame:
    """Compares NDCG@10 of two methods user by user, on both tracks and in each segment of users.

    Args:
        queries, history, tracks: as for `evaluate`.
        first: name of the first method.
        second: name of the second method.

    Returns:
        One row per track and segment with users: track, segment, users, the mean of each method under its name, the
        mean difference and its standard error.
    """
    user_rows = rows_of(history, queries.user_ids)
    masks, rows = segments(queries, user_rows), []
    for track, methods in tracks.items():
        relevant = relevant_of(track, queries, user_rows)
        scores = [user_scores(queries.user_ids, methods[name], relevant, (COMPARED,)) for name in (first, second)]
        both = scores[0].join(scores[1], on="user_id", suffix="_second")
        for segment, mask in masks.items():
            own = rows_of(both, queries.user_ids[mask])
            if own.height:
                a, b = own[COMPARED].to_numpy(), own[f"{COMPARED}_second"].to_numpy()
                rows.append([track, segment, own.height, a.mean(), b.mean(), (a - b).mean(), _standard_error(a - b)])
    names = ("track", "segment", "users", first, second, "difference", "standard_error")
    types = (pl.String, pl.String, pl.Int64, *[pl.Float64] * 4)
    return pl.DataFrame(rows, dict(zip(names, types, strict=True)), orient="row")


def relevant_of(track: str, queries: Queries, history: pl.DataFrame) -> pl.DataFrame:
    """Returns the relevant pairs of a track; those of `NEW` are outside the users' history."""
    if track != NEW:
        return queries.relevant
    return queries.relevant.join(history.select("user_id", "item_id").unique(), on=["user_id", "item_id"], how="anti")


def _standard_error(values: npt.NDArray[np.float64]) -> float | None:
    return float(values.std() / np.sqrt(len(values))) if len(values) else None


def segments(queries: Queries, history: pl.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """Returns a mask [q] per segment: all, known and cold users, and known users with few or many training rows.

    Light users have at most the median number of rows of known users.
    """
    rows = history.group_by("user_id").len()
    counts = pl.DataFrame({"user_id": queries.user_ids}).join(rows, on="user_id", how="left", maintain_order="left")
    count = counts["len"].fill_null(0).to_numpy()
    known = count > 0
    heavy = count > (np.median(count[known]) if known.any() else 0)
    return {"all": np.ones_like(known), "known": known, "cold": ~known, "light": known & ~heavy, "heavy": heavy}


def unseen_first(
    user_ids: UserIds, lists: Lists, history: pl.DataFrame, depth: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Finds the positions of each list [q, k] whose items are new to the user, in order.

    Returns:
        Positions [q, min(depth, k)], and a mask that is True for new items; the other positions come last.
    """
    fresh = (lists >= 0) & ~among(user_ids, lists, history)
    positions = np.argsort(~fresh, axis=1, kind="stable")[:, :depth]
    return positions, np.take_along_axis(fresh, positions, axis=1)


def unseen_lists(user_ids: UserIds, lists: Lists, history: pl.DataFrame, depth: int) -> Lists:
    """Returns lists without items of the user's history [q, min(depth, k)], padded with -1."""
    positions, fresh = unseen_first(user_ids, lists, history, depth)
    return np.where(fresh, np.take_along_axis(lists, positions, axis=1), np.int32(-1))


def deep_enough(user_ids: UserIds, history: pl.DataFrame) -> int:
    """Returns the list length that leaves `DEPTH` items after removing the longest history of these users."""
    longest = rows_of(history, user_ids).group_by("user_id").agg(pl.col("item_id").n_unique())["item_id"].max()
    return DEPTH + (longest if isinstance(longest, int) else 0)
