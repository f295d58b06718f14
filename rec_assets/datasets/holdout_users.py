"""Holdout users: their rows of a day are excluded from that day's training."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

MOST = 5_000  # judges: a standard error of NDCG@10 near 0.003; what they did is not learned from


def judging_users(user_ids: npt.NDArray[np.int32], share: float, seed: int) -> npt.NDArray[np.int32]:
    """Draws so large a share of the users of a day [n], and at most `MOST` of them; sorted raw ids."""
    users, random = np.unique(user_ids), np.random.default_rng(seed)
    drawn = users[random.random(len(users)) < share]
    return drawn if len(drawn) <= MOST else np.sort(random.choice(drawn, MOST, replace=False))


def judges_of(joined_day: Path, share: float, seed: int) -> npt.NDArray[np.int32]:
    """Draws the judging users of a day's joined rows."""
    return judging_users(pl.read_parquet(joined_day, columns=["user_id"])["user_id"].to_numpy(), share, seed)


def rows_to_learn(masked_day: Path, joined_day: Path, judges: npt.NDArray[np.int32]) -> pl.DataFrame:
    """The masked rows of a day without those of its judges; the joined rows, in the same order, say whose they are."""
    users = pl.read_parquet(joined_day, columns=["user_id"])["user_id"]
    return pl.read_parquet(masked_day).filter(~users.is_in(judges.tolist()))
