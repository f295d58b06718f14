"""Holdout users: their rows of a day are excluded from that day's training."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

MAX_HOLDOUT_USERS = 5_000  # judges: a standard error of NDCG@10 near 0.003; what they did is not learned from


def draw_holdout_users(user_ids: npt.NDArray[np.int32], share: float, seed: int) -> npt.NDArray[np.int32]:
    """Draws so large a share of the users of a day [n], and at most `MAX_HOLDOUT_USERS` of them; sorted raw ids."""
    users, random = np.unique(user_ids), np.random.default_rng(seed)
    drawn = users[random.random(len(users)) < share]
    return drawn if len(drawn) <= MAX_HOLDOUT_USERS else np.sort(random.choice(drawn, MAX_HOLDOUT_USERS, replace=False))


def holdout_users_of(joined_day: Path, share: float, seed: int) -> npt.NDArray[np.int32]:
    """Draws the judging users of a day's joined rows."""
    return draw_holdout_users(pl.read_parquet(joined_day, columns=["user_id"])["user_id"].to_numpy(), share, seed)


def rows_to_learn(masked_day: Path, joined_day: Path, judges: npt.NDArray[np.int32]) -> pl.DataFrame:
    """The masked rows of a day without those of its judges; the joined rows, in the same order, say whose they are."""
    users = pl.read_parquet(joined_day, columns=["user_id"])["user_id"]
    return pl.read_parquet(masked_day).filter(~users.is_in(judges.tolist()))
