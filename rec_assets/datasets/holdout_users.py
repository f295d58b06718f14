"""Holdout users: their rows of a day are excluded from that day's training."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

MAX_HOLDOUT_USERS = 5_000  # gives a standard error of NDCG@10 near 0.003; their rows are lost for training


def draw_holdout_users(user_ids: npt.NDArray[np.int32], share: float, seed: int) -> npt.NDArray[np.int32]:
    """Draws a share of the users of a day's rows [n], at most `MAX_HOLDOUT_USERS`; returns sorted raw ids."""
    users, random = np.unique(user_ids), np.random.default_rng(seed)
    drawn = users[random.random(len(users)) < share]
    return drawn if len(drawn) <= MAX_HOLDOUT_USERS else np.sort(random.choice(drawn, MAX_HOLDOUT_USERS, replace=False))


def holdout_users_of(joined_day: Path, share: float, seed: int) -> npt.NDArray[np.int32]:
    """Draws the holdout users of a day from its joined rows."""
    return draw_holdout_users(pl.read_parquet(joined_day, columns=["user_id"])["user_id"].to_numpy(), share, seed)


def rows_for_training(masked_day: Path, joined_day: Path, holdout_users: npt.NDArray[np.int32]) -> pl.DataFrame:
    """Returns the masked rows of a day without rows of holdout users.

    User ids come from the joined rows, which have the same order: masked rows can be anonymous.
    """
    users = pl.read_parquet(joined_day, columns=["user_id"])["user_id"]
    return pl.read_parquet(masked_day).filter(~users.is_in(holdout_users.tolist()))
