"""Compares bundles and popularity on the same past requests, which run through each bundle's own stages."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.bundles.bundle import Bundle
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.joined_days import log_of, read_events
from rec_assets.evaluation.baselines.interaction_matrix import InteractionMatrix
from rec_assets.evaluation.baselines.scorers import popularity as popularity_scores
from rec_assets.evaluation.baselines.tuning import BaselineTuner, rows_of_users
from rec_assets.evaluation.bundles.replay import PastItems, PastRequests, answers, first_arrivals
from rec_assets.evaluation.metrics import user_scores
from rec_assets.features.joins import USER_COLUMNS
from rec_assets.settings import Settings
from rec_assets.sources.roles import ROLE, TARGET

METRIC, DEPTH = "ndcg@10", 10
STANDARD_ERRORS = 2.0  # of a paired difference that counts
MIN_USERS = 30  # fewer users do not tell which method is better
CANDIDATE, LIVE, POPULARITY = "candidate", "live", "popularity"
_COLUMNS = ["user_id", "item_id", "timestamp"]


@dataclass(frozen=True)
class Comparison:
    """The means of two methods over the same users, and the standard error of their difference."""

    first: float
    second: float
    standard_error: float

    @property
    def difference(self) -> float:
        """Returns first minus second: positive if the first method is better."""
        return self.first - self.second


@dataclass(frozen=True)
class BundleComparison:
    """NDCG@10 of each holdout user: `user_id`, then one column per method."""

    scores: pl.DataFrame

    @property
    def holdout_users(self) -> int:
        """Returns the number of holdout users."""
        return self.scores.height

    def compare(self, first: str, second: str) -> Comparison:
        """Compares two methods, user by user."""
        a, b = (self.scores[name].to_numpy() for name in (first, second))
        error = float(np.std(a - b) / np.sqrt(len(a))) if len(a) else 0.0
        return Comparison(float(a.mean()), float(b.mean()), error)


def compare_bundles(
    bundles: dict[str, Bundle],
    joined_day: Path,
    joined_before: list[Path],
    holdout_users: npt.NDArray[np.int32],
    items: ItemTable,
    settings: Settings,
    seed: int,
) -> BundleComparison:
    """Replays each holdout user's first request of the day on every bundle.

    Relevant items are all items of the user's interactions on that day that teach.

    Args:
        bundles: bundles by method name.
        joined_day: file of the joined rows of the day.
        joined_before: files of the joined rows of earlier days, for histories and popularity.
        holdout_users: raw ids of holdout users of the day.
        items: an item table that covers the day; the source of item signals before the day.
        settings: serving settings.
        seed: random seed for the sample of users that popularity is counted and tuned on.
    """
    events = read_events([joined_day], (*_COLUMNS, "device_type", *USER_COLUMNS, "top_category"))
    events = events.filter(pl.col("user_id").is_in(holdout_users.tolist()))
    rows = events.filter(pl.col(ROLE) == TARGET)
    before = pl.concat([pl.read_parquet(file, columns=_COLUMNS) for file in joined_before])
    log = log_of([*joined_before, joined_day])
    requests = first_arrivals(events)
    lists = {
        name: answers(bundle, requests, log, signals_before(items, requests), DEPTH, settings)[0]
        for name, bundle in bundles.items()
    }
    counted = rows_of_users(before, requests.user_ids, seed)
    popular = InteractionMatrix.of(counted, BaselineTuner(counted, 1, seed).best_popularity_days())
    lists[POPULARITY] = popular.lists(popularity_scores(popular), requests.user_ids, DEPTH)
    relevant = rows.select("user_id", "item_id").unique(maintain_order=True)
    scores = pl.DataFrame({"user_id": requests.user_ids})
    for name, ranked in lists.items():
        metric = user_scores(requests.user_ids, ranked, relevant, (METRIC,)).rename({METRIC: name})
        scores = scores.join(metric.with_columns(pl.col("user_id").cast(pl.Int32)), on="user_id", maintain_order="left")
    return BundleComparison(scores)


def signals_before(items: ItemTable, requests: PastRequests) -> PastItems:
    """Returns the signals of items before the day of the requests."""
    moment = np.array([requests.timestamps.min()])
    signals = items.signals.at(items.catalog, np.repeat(moment, len(items.catalog)))
    return PastItems(items.raw_ids[items.catalog], signals)
