"""The verdict on every method's lists: by track, with or without what a user chose before, and by segment."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.datasets.queries import Queries
from rec_assets.evaluation.metrics import METRICS, UserIds, among, coverage, rows_of, user_scores

Lists = npt.NDArray[np.int32]
DEPTH = 300
JUDGED_USERS = 20_000  # at most, of a period: a standard error of NDCG@10 near 0.002

# Tracks: everything counts, or only items new to the user, in the lists and in what is relevant.
ALL, NEW = "all", "new"
# The segment of relevant items, not users, that were not there to be trained on.
NEW_ITEMS = "new items"
TOP = 10
COLUMNS = {
    **dict.fromkeys(("track", "method", "segment"), pl.String),
    **dict.fromkeys(("users", "pairs"), pl.Int64),
    **dict.fromkeys((*METRICS, "coverage@10", "new_items@10"), pl.Float64),
}


@dataclass(frozen=True)
class EvaluationReport:
    """One row a track, method and segment.

    Columns: track, method, segment, users, pairs, the metrics of `evaluation.METRICS`, coverage@10, new_items@10.
    `users` had a relevant item; `pairs` counts users and their relevant items. `coverage@10` is the share of the
    catalog in anyone's first ten. `new_items@10` is the share of first ten places with items without training rows.
    """

    table: pl.DataFrame

    def value(self, method: str, metric: str, segment: str = "all", track: str = ALL) -> float:
        """Returns one figure; raises KeyError where the table has no such row."""
        row = self.table.filter(track=track, method=method, segment=segment)
        if row.is_empty():
            raise KeyError(f"{track} / {method} / {segment}")
        return float(row[metric][0])


def judge(
    queries: Queries,
    history: pl.DataFrame,
    catalog: npt.NDArray[np.int32],
    tracks: Mapping[str, Mapping[str, Lists]],
) -> EvaluationReport:
    """Scores every method's lists on all users and on segments of them.

    Args:
        queries: the users and what they chose.
        history: the training rows: user_id, item_id.
        catalog: raw ids of all items that could be recommended.
        tracks: track → method → raw ids [q, k], -1 where a list is shorter. In `NEW`, without what is in history.
    """
    trained = history["item_id"].unique()
    # Of millions of rows, those of the users who are asked are enough for all that follows.
    own = rows_of(history, queries.user_ids)
    known = own.select("user_id", "item_id").unique()
    masks = segments(queries, own)
    rows = []
    for track, methods in tracks.items():
        relevant = queries.relevant
        if track == NEW:
            relevant = relevant.join(known, on=["user_id", "item_id"], how="anti")
        untrained = relevant.filter(~pl.col("item_id").is_in(trained.implode()))
        for method, lists in methods.items():
            scores = user_scores(queries.user_ids, lists, relevant)
            for segment, mask in masks.items():
                users, theirs = queries.user_ids[mask], lists[mask]
                rows.append([track, method, segment, *_figures(users, theirs, scores, relevant, catalog, trained)])
            scores = user_scores(queries.user_ids, lists, untrained)
            figures = _figures(queries.user_ids, lists, scores, untrained, catalog, trained)
            rows.append([track, method, NEW_ITEMS, *figures])
    table = pl.DataFrame(rows, COLUMNS, orient="row")
    return EvaluationReport(table.filter(pl.col("users") > 0))


def no_verdict() -> pl.DataFrame:
    """The table of a verdict on nothing."""
    return pl.DataFrame(schema=COLUMNS)


def _figures(
    user_ids: UserIds,
    lists: Lists,
    scores: pl.DataFrame,
    relevant: pl.DataFrame,
    catalog: npt.NDArray[np.int32],
    trained: pl.Series,
) -> tuple[float | None, ...]:
    """The columns of a verdict from `users` on, for these users and their lists."""
    judged = rows_of(scores, user_ids)
    places = lists[:, :TOP][lists[:, :TOP] >= 0]
    return (
        judged.height,
        rows_of(relevant, user_ids).height,
        *judged.select(pl.col(METRICS).mean()).row(0),
        coverage(lists, catalog),
        float(1 - np.isin(places, trained.to_numpy()).mean()) if places.size else None,
    )


def segments(queries: Queries, history: pl.DataFrame) -> dict[str, npt.NDArray[np.bool_]]:
    """Marks the queries [q] of all, known and cold users, and of known users with few or many training rows.

    Light users have at most as many rows as the median of the known.
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
    """Picks the places of each list [q, k] that hold items new to the user, in order.

    Returns:
        Places [q, min(depth, k)], and whether each holds such an item; those that do not come last.
    """
    fresh = (lists >= 0) & ~among(user_ids, lists, history)
    places = np.argsort(~fresh, axis=1, kind="stable")[:, :depth]
    return places, np.take_along_axis(fresh, places, axis=1)


def unseen_lists(user_ids: UserIds, lists: Lists, history: pl.DataFrame, depth: int) -> Lists:
    """Lists without what a user chose before [q, min(depth, k)], -1 where they run out."""
    places, fresh = unseen_first(user_ids, lists, history, depth)
    return np.where(fresh, np.take_along_axis(lists, places, axis=1), np.int32(-1))


def deep_enough(user_ids: UserIds, history: pl.DataFrame) -> int:
    """Returns the length of a list that keeps `DEPTH` items when the longest history of these users is taken out."""
    longest = rows_of(history, user_ids).group_by("user_id").agg(pl.col("item_id").n_unique())["item_id"].max()
    return DEPTH + (longest if isinstance(longest, int) else 0)
