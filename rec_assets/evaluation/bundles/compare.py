"""Two bundles on the same past requests, answered by their own stages as they are served; popularity beside them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.bundles.bundle import Bundle
from rec_assets.datasets.item_table import ItemTable
from rec_assets.evaluation.baselines.interaction_matrix import Log
from rec_assets.evaluation.baselines.scorers import popularity as popularity_scores
from rec_assets.evaluation.baselines.tuning import BaselineTuner, rows_of_users
from rec_assets.evaluation.bundles.replay import PastPopularity, PastRequests, answers
from rec_assets.evaluation.metrics import user_scores
from rec_assets.features.history import InteractionLog
from rec_assets.settings import Settings

METRIC, DEPTH = "ndcg@10", 10
CANDIDATE, LIVE, POPULARITY = "candidate", "live", "popularity"
_COLUMNS = ["user_id", "item_id", "timestamp"]


@dataclass(frozen=True)
class Comparison:
    """A method's mean less another's over the same users, and the standard error of that difference."""

    first: float
    second: float
    standard_error: float

    @property
    def difference(self) -> float:
        """Positive where the first is better."""
        return self.first - self.second


@dataclass(frozen=True)
class BundleComparison:
    """NDCG@10 of each judge by method: `user_id`, then a column a method."""

    scores: pl.DataFrame

    @property
    def judges(self) -> int:
        """Number of users that were asked."""
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
    judges: npt.NDArray[np.int32],
    items: ItemTable,
    settings: Settings,
    seed: int,
) -> BundleComparison:
    """Asks every bundle what each judge was to be shown at his first arrival of a day; relevant is all he chose on it.

    Args:
        bundles: by method.
        joined_day: the joined rows of the day.
        joined_before: those of the days before it, that histories and popularity are made of.
        judges: raw ids of users of the day.
        items: an item table that covers the day; of it popularity as known before the day.
        settings: how bundles are served.
        seed: random seed of the users that popularity is counted and tuned on.
    """
    rows = pl.read_parquet(joined_day).filter(pl.col("user_id").is_in(judges.tolist()))
    before = pl.concat([pl.read_parquet(file, columns=_COLUMNS) for file in joined_before])
    events = pl.concat([before, pl.read_parquet(joined_day, columns=_COLUMNS)])
    log = InteractionLog.of(*(events[name].to_numpy() for name in ("user_id", "timestamp", "item_id")))
    requests = first_arrivals(rows)
    lists = {
        name: answers(bundle, requests, log, popularity_before(items, requests), DEPTH, settings)
        for name, bundle in bundles.items()
    }
    counted = rows_of_users(before, requests.user_ids, seed)
    popular = Log.of(counted, BaselineTuner(counted, 1, seed).best_popularity_days())
    lists[POPULARITY] = popular.lists(popularity_scores(popular), requests.user_ids, DEPTH)
    relevant = rows.select("user_id", "item_id").unique(maintain_order=True)
    scores = pl.DataFrame({"user_id": requests.user_ids})
    for name, made in lists.items():
        own = user_scores(requests.user_ids, made, relevant, (METRIC,)).rename({METRIC: name})
        scores = scores.join(own.with_columns(pl.col("user_id").cast(pl.Int32)), on="user_id", maintain_order="left")
    return BundleComparison(scores)


def first_arrivals(rows: pl.DataFrame) -> PastRequests:
    """Makes one request a user of joined rows, at his first interaction, with his features as of it."""
    first = rows.sort("user_id", "timestamp", maintain_order=True).unique("user_id", keep="first", maintain_order=True)
    return PastRequests(
        user_ids=first["user_id"].to_numpy(),
        device_types=first["device_type"].to_numpy(),
        timestamps=first["timestamp"].to_numpy(),
        age=first["age"].fill_null(float("nan")).to_numpy().astype(np.float32),
        gender=first["gender"].to_numpy().astype(np.int32),
        top_category=first["top_category"].to_numpy().astype(np.int32),
    )


def popularity_before(items: ItemTable, requests: PastRequests) -> PastPopularity:
    """Computes the popularity of items before the day of the requests."""
    moment = np.array([requests.timestamps.min()])
    known = items.popularity_at(items.catalog, np.repeat(moment, len(items.catalog)))
    return PastPopularity(items.raw_ids[items.catalog], known)
