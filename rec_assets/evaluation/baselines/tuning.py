"""Baselines that a team could run in place of the models. Their settings are tuned on the last training days."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.common.units import DAY_SECONDS
from rec_assets.evaluation.baselines.interaction_matrix import InteractionMatrix, Scores, end_of
from rec_assets.evaluation.baselines.scorers import (
    AlsSetting,
    als,
    ease,
    first_then,
    item_knn,
    item_knn_bm25,
    popularity,
    repeat,
)
from rec_assets.evaluation.baselines.tifu_knn import tifu_knn
from rec_assets.evaluation.metrics import rows_of, score_lists

METRIC, DEPTH = "ndcg@10", 10
TRIAL_USERS = 2_000
BASELINE_USERS = 60_000  # ALS on one thread takes minutes for more

# The first setting of each is the default if the history is too short for tuning.
POPULARITY_DAYS = (7, 1, 3, 14, 28)
HALF_LIVES = (28.0, 7.0, 112.0, 448.0)
SHRINKAGES = (20.0, 5.0, 80.0)
ALS_SETTINGS = (AlsSetting(3, 30), AlsSetting(10, 100))
SATURATIONS = (1.2, 100.0)
RIDGES = (500.0, 100.0, 2_500.0)
OWN_SHARES = (0.7, 0.9, 0.3)

Setting = TypeVar("Setting")


class _Trained:
    """Caches the matrices and scores of some rows, because both tracks try the same settings."""

    def __init__(self, rows: pl.DataFrame) -> None:
        self.matrix = cache(lambda days: InteractionMatrix.of(rows, days))
        self.scores = cache(lambda train, days, setting: train(self.matrix(days), setting))


class BaselineTuner:
    """Tunes every baseline: trains on the earlier training days, and evaluates settings on the last ones."""

    def __init__(self, rows: pl.DataFrame, holdout_days: int, seed: int) -> None:
        """Splits the training rows.

        Args:
            rows: user_id, item_id, timestamp.
            holdout_days: number of last training days that settings are evaluated on; at most a third of all days.
            seed: random seed for the initial factors of ALS, and for the sample of users in the tuning.
        """
        span = (end_of(rows) - rows.select(pl.col("timestamp").min()).item()) / DAY_SECONDS
        cut = end_of(rows) - min(holdout_days, max(1, int(span) // 3)) * DAY_SECONDS
        early = rows.filter(pl.col("timestamp") < cut)
        self._known = early.select("user_id", "item_id").unique()
        later = rows.filter(pl.col("timestamp") >= cut).select("user_id", "item_id").unique()
        self._later = later.join(self._known, on="user_id", how="semi")
        self._all, self._early, self._seed = _Trained(rows), _Trained(early), seed

    def best_popularity_days(self, *, new_only: bool = False) -> int:
        """Returns the number of days for which the list of the most popular items is best."""

        def train(days: int) -> tuple[InteractionMatrix, Scores]:
            matrix = self._early.matrix(days)
            return matrix, popularity(matrix)

        return self._best(POPULARITY_DAYS, new_only, train)

    def lists(
        self, user_ids: npt.NDArray[np.int32], depth: int, *, new_only: bool, slow: bool = False
    ) -> dict[str, npt.NDArray[np.int32]]:
        """Returns the lists of every baseline for some users.

        Args:
            user_ids: raw ids [q]; users without rows get popular items.
            depth: length of the lists.
            new_only: leave out items of the user's history, and the baselines that only repeat these items.
            slow: also return the baselines that take minutes, for a benchmark.

        Returns:
            Raw item ids by baseline, int32 [q, ≤ depth], padded with -1.
        """
        days = self.best_popularity_days(new_only=new_only)
        matrix = self._all.matrix(days)

        def best(train: Callable[[InteractionMatrix, Setting], Scores], settings: Sequence[Setting]) -> Scores:
            early = self._early
            setting = self._best(settings, new_only, lambda one: (early.matrix(days), early.scores(train, days, one)))
            return self._all.scores(train, days, setting)

        factors = best(self._als, ALS_SETTINGS)
        methods = {"popularity": popularity(matrix), "item-kNN": best(item_knn, SHRINKAGES), "ALS": factors}
        if not new_only:
            repeats = best(repeat, HALF_LIVES)
            methods |= {"repeat": repeats, "repeat, then ALS": first_then(repeats, factors)}
        if slow:
            methods |= {
                "item-kNN, BM25": best(item_knn_bm25, SATURATIONS),
                "EASE": best(ease, RIDGES),
                "TIFU-kNN": best(tifu_knn, OWN_SHARES),
            }
        return {name: matrix.lists(scores, user_ids, depth, new_only=new_only) for name, scores in methods.items()}

    def _als(self, matrix: InteractionMatrix, setting: AlsSetting) -> Scores:
        return als(matrix, setting, self._seed)

    def _best(
        self, settings: Sequence[Setting], new_only: bool, train: Callable[[Setting], tuple[InteractionMatrix, Scores]]
    ) -> Setting:
        """Returns the setting whose lists have the highest NDCG@10."""
        relevant = self._later
        if new_only:
            relevant = relevant.join(self._known, on=["user_id", "item_id"], how="anti")
        users = np.sort(relevant["user_id"].unique().to_numpy())
        users = np.random.default_rng(self._seed).permutation(users)[:TRIAL_USERS]

        def value(setting: Setting) -> float:
            matrix, scores = train(setting)
            lists = matrix.lists(scores, users, DEPTH, new_only=new_only)
            return score_lists(users, lists, relevant, (METRIC,))[METRIC]

        return max(settings, key=value) if len(users) else settings[0]


def rows_of_users(
    rows: pl.DataFrame, user_ids: npt.NDArray[np.int32], seed: int, most: int = BASELINE_USERS
) -> pl.DataFrame:
    """Keeps the rows of `user_ids` and of other, randomly drawn users, at most `most` users in total, in order."""
    others = np.setdiff1d(rows["user_id"].unique().to_numpy(), user_ids)
    room = most - len(user_ids)
    if len(others) <= room:
        return rows
    drawn = np.random.default_rng(seed).choice(others, max(room, 0), replace=False)
    return rows_of(rows, np.concatenate([user_ids, drawn]))
