"""Baselines that a team would run instead of these models; their settings are chosen on the last training days."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.evaluation.baselines.interaction_matrix import Log, Scores, end_of
from rec_assets.evaluation.baselines.scorers import AlsSetting, als, first_then, item_knn, popularity, repeat
from rec_assets.evaluation.metrics import rows_of, score_lists
from rec_assets.sources.base import DAY_SECONDS

METRIC, DEPTH = "ndcg@10", 10
TRIAL_USERS = 2_000
BASELINE_USERS = 60_000  # ALS on one thread takes minutes for more

# The first of each is what is taken where history is too short to try them.
POPULARITY_DAYS = (7, 1, 3, 14, 28)
HALF_LIVES = (28.0, 7.0, 112.0, 448.0)
SHRINKAGES = (20.0, 5.0, 80.0)
ALS_SETTINGS = (AlsSetting(3, 30), AlsSetting(10, 100))

Setting = TypeVar("Setting")


class _Learned:
    """Logs and scores of some rows; each is made once, for both tracks try the same settings."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.log = cache(lambda days: Log.of(rows, days))
        self.scores = cache(lambda learn, days, setting: learn(self.log(days), setting))


class BaselineTuner:
    """Chooses the settings of every baseline: learns from the earlier training rows, judges on their last days."""

    def __init__(self, rows: pl.DataFrame, holdout_days: int, seed: int) -> None:
        """Splits the training rows.

        Args:
            rows: user_id, item_id, timestamp.
            holdout_days: how many of the last training days choose the settings; at most a third of all.
            seed: random seed of the factors that ALS starts from, and of the users that settings are tried on.
        """
        span = (end_of(rows) - rows.select(pl.col("timestamp").min()).item()) / DAY_SECONDS
        cut = end_of(rows) - min(holdout_days, max(1, int(span) // 3)) * DAY_SECONDS
        early = rows.filter(pl.col("timestamp") < cut)
        self._known = early.select("user_id", "item_id").unique()
        later = rows.filter(pl.col("timestamp") >= cut).select("user_id", "item_id").unique()
        self._later = later.join(self._known, on="user_id", how="semi")
        self._all, self._early, self._seed = _Learned(rows), _Learned(early), seed

    def best_popularity_days(self, *, new_only: bool = False) -> int:
        """Returns the number of days whose most popular items are the best list for everyone."""

        def learn(days: int) -> tuple[Log, Scores]:
            log = self._early.log(days)
            return log, popularity(log)

        return self._best(POPULARITY_DAYS, new_only, learn)

    def lists(self, user_ids: npt.NDArray[np.int32], depth: int, *, new_only: bool) -> dict[str, npt.NDArray[np.int32]]:
        """Makes the lists of every baseline for some users.

        Args:
            user_ids: raw [q]; users without a row get what is popular.
            depth: length of the lists.
            new_only: leave out what a user chose before; baselines that only repeat it are then left out too.

        Returns:
            Raw item ids by baseline, int32 [q, ≤ depth], -1 where nothing is left.
        """
        days = self.best_popularity_days(new_only=new_only)
        log = self._all.log(days)

        def best(learn: Callable[[Log, Setting], Scores], settings: Sequence[Setting]) -> Scores:
            early = self._early
            setting = self._best(settings, new_only, lambda one: (early.log(days), early.scores(learn, days, one)))
            return self._all.scores(learn, days, setting)

        factors = best(self._als, ALS_SETTINGS)
        methods = {"popularity": popularity(log), "item-kNN": best(item_knn, SHRINKAGES), "ALS": factors}
        if not new_only:
            own = best(repeat, HALF_LIVES)
            methods |= {"repeat": own, "repeat, then ALS": first_then(own, factors)}
        return {name: log.lists(scores, user_ids, depth, new_only=new_only) for name, scores in methods.items()}

    def _als(self, log: Log, setting: AlsSetting) -> Scores:
        return als(log, setting, self._seed)

    def _best(
        self, settings: Sequence[Setting], new_only: bool, learn: Callable[[Setting], tuple[Log, Scores]]
    ) -> Setting:
        """Returns the setting whose lists have the highest NDCG@10."""
        relevant = self._later
        if new_only:
            relevant = relevant.join(self._known, on=["user_id", "item_id"], how="anti")
        users = np.sort(relevant["user_id"].unique().to_numpy())
        users = np.random.default_rng(self._seed).permutation(users)[:TRIAL_USERS]

        def value(setting: Setting) -> float:
            log, scores = learn(setting)
            lists = log.lists(scores, users, DEPTH, new_only=new_only)
            return score_lists(users, lists, relevant, (METRIC,))[METRIC]

        return max(settings, key=value) if len(users) else settings[0]


def rows_of_users(
    rows: pl.DataFrame, user_ids: npt.NDArray[np.int32], seed: int, most: int = BASELINE_USERS
) -> pl.DataFrame:
    """Keeps the rows of some users and of others drawn beside them, so many users in all; the order stays."""
    others = np.setdiff1d(rows["user_id"].unique().to_numpy(), user_ids)
    room = most - len(user_ids)
    if len(others) <= room:
        return rows
    drawn = np.random.default_rng(seed).choice(others, max(room, 0), replace=False)
    return rows_of(rows, np.concatenate([user_ids, drawn]))
