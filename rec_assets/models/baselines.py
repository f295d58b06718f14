"""What a team would run instead of these models, each with its settings chosen on the last days of training."""

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.models.baselines_log import Log, Scores, end_of
from rec_assets.models.baselines_scores import AlsSetting, als, first_then, item_knn, popularity, repeat
from rec_assets.models.evaluation import score_lists
from rec_assets.sources.base import DAY_SECONDS

METRIC, DEPTH = "ndcg@10", 10
TRIAL_USERS = 2_000

# The first of each is what is taken where history is too short to try them.
POPULARITY_DAYS = (7, 1, 3, 14, 28)
HALF_LIVES = (28.0, 7.0, 112.0, 448.0)
SHRINKAGES = (20.0, 5.0, 80.0)
ALS_SETTINGS = (AlsSetting(3, 30), AlsSetting(10, 100))

Setting = TypeVar("Setting")


def baseline_lists(
    rows: pl.DataFrame,
    user_ids: npt.NDArray[np.int32],
    depth: int,
    *,
    new_only: bool,
    holdout_days: int,
    seed: int,
) -> dict[str, npt.NDArray[np.int32]]:
    """Lists of every baseline for some users.

    Args:
        rows: the training rows: user_id, item_id, timestamp.
        user_ids: raw [q]; who has no row is recommended what is popular.
        depth: of the lists.
        new_only: leave out what a user chose before; the baselines that repeat it are then left out too.
        holdout_days: how many of the last training days choose the settings; at most a third of all.
        seed: of the factors that ALS starts from, and of the users that settings are tried on.

    Returns:
        Raw item ids by baseline, int32 [q, ≤ depth], -1 where nothing is left.
    """
    trial = Trial(rows, holdout_days, new_only, seed)
    days = trial.best_popularity_days()
    log = Log.of(rows, days)
    factors = als(log, trial.best(days, ALS_SETTINGS, lambda early, setting: als(early, setting, seed)), seed)
    neighbours = item_knn(log, trial.best(days, SHRINKAGES, item_knn))
    methods: dict[str, Scores] = {"popularity": popularity(log), "item-kNN": neighbours, "ALS": factors}
    if not new_only:
        own = repeat(log, trial.best(days, HALF_LIVES, repeat))
        methods |= {"repeat": own, "repeat, then ALS": first_then(own, factors)}
    return {name: log.lists(scores, user_ids, depth, new_only=new_only) for name, scores in methods.items()}


class Trial:
    """Tries settings: learns from the earlier training rows, judges on the last days of them."""

    def __init__(self, rows: pl.DataFrame, holdout_days: int, new_only: bool, seed: int) -> None:
        span = (end_of(rows) - rows.select(pl.col("timestamp").min()).item()) / DAY_SECONDS
        cut = end_of(rows) - min(holdout_days, max(1, int(span) // 3)) * DAY_SECONDS
        self.early = rows.filter(pl.col("timestamp") < cut)
        known = self.early.select("user_id", "item_id").unique()
        later = rows.filter(pl.col("timestamp") >= cut).select("user_id", "item_id").unique()
        self.relevant = later.join(known, on="user_id", how="semi")
        if new_only:
            self.relevant = self.relevant.join(known, on=["user_id", "item_id"], how="anti")
        users = np.sort(self.relevant["user_id"].unique().to_numpy())
        self.user_ids = np.random.default_rng(seed).permutation(users)[:TRIAL_USERS]
        self.new_only = new_only

    def best_popularity_days(self) -> int:
        """Returns the number of days whose most popular items are the best list for everyone."""
        return self._best(POPULARITY_DAYS, lambda days: self._value(days, popularity))

    def best(
        self, popularity_days: int, settings: Sequence[Setting], learn: Callable[[Log, Setting], Scores]
    ) -> Setting:
        """Returns the setting whose lists have the highest NDCG@10, over a log of that popularity."""
        return self._best(settings, lambda setting: self._value(popularity_days, lambda log: learn(log, setting)))

    def _best(self, settings: Sequence[Setting], value: Callable[[Setting], float]) -> Setting:
        return max(settings, key=value) if len(self.user_ids) else settings[0]

    def _value(self, popularity_days: int, learn: Callable[[Log], Scores]) -> float:
        log = Log.of(self.early, popularity_days)
        lists = log.lists(learn(log), self.user_ids, DEPTH, new_only=self.new_only)
        return score_lists(self.user_ids, lists, self.relevant, (METRIC,))[METRIC]
