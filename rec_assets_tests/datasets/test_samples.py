"""Samples of large data: holdout users, rows of an epoch, users of the baselines."""

import numpy as np
import polars as pl
import pytest

from rec_assets.datasets import holdout_users
from rec_assets.datasets.rows import Arrays
from rec_assets.evaluation.baselines.tuning import rows_of_users
from rec_assets.features.columns import CONTEXT_FEATURES, REQUEST_USER_ID, TIMESTAMP, USER_FEATURES
from rec_assets.features.history import InteractionLog
from rec_assets.training.retrieval.tower_rows import TowerRows

ROWS = 1_000


def test_holdout_users_are_a_share_of_the_users_up_to_a_maximum(monkeypatch: pytest.MonkeyPatch) -> None:
    users = np.repeat(np.arange(1_000, dtype=np.int32), 3)
    share = holdout_users.draw_holdout_users(users, 0.2, seed=1)
    assert 150 < len(share) < 250
    monkeypatch.setattr(holdout_users, "MAX_HOLDOUT_USERS", 50)
    fewer = holdout_users.draw_holdout_users(users, 0.2, seed=1)
    assert len(fewer) == 50 and set(fewer) < set(share) and (np.diff(fewer) > 0).all()
    assert (holdout_users.draw_holdout_users(users, 0.2, seed=1) == fewer).all()


def rows_of_an_epoch(most_rows: int, seed: int) -> list[int]:
    """Returns the drawn rows of an epoch: each row has its own item."""
    rows: Arrays = {name: np.zeros(ROWS, np.float32) for name in (*USER_FEATURES, *CONTEXT_FEATURES)}
    rows |= {REQUEST_USER_ID: np.arange(ROWS) % 40, TIMESTAMP: np.arange(ROWS) + 100_000, "item_id": np.arange(ROWS)}
    log = InteractionLog.of(rows[REQUEST_USER_ID], rows[TIMESTAMP], rows["item_id"])
    epoch = TowerRows(rows, np.arange(ROWS), log).epoch(most_rows, horizon_days=1, batch_size=50, seed=seed)
    return [int(item) for _, targets in epoch for item in targets.numpy()]


def test_an_epoch_is_all_rows_or_as_many_as_it_may_have_drawn_anew() -> None:
    assert sorted(rows_of_an_epoch(ROWS, seed=1)) == list(range(ROWS))
    drawn, others = rows_of_an_epoch(300, seed=1), rows_of_an_epoch(300, seed=2)
    assert len(set(drawn)) == len(drawn) == 300
    assert 50 < len(set(drawn) & set(others)) < 150
    assert rows_of_an_epoch(300, seed=1) == drawn


def test_baselines_train_on_the_evaluated_users_and_on_others_up_to_a_maximum() -> None:
    rows = pl.DataFrame({"user_id": [1, 2, 3, 4, 5, 1, 3], "item_id": [10, 11, 12, 13, 14, 15, 16]})
    evaluated = np.array([3, 9], np.int32)
    assert rows_of_users(rows, evaluated, seed=0, most=7).equals(rows)
    kept = rows_of_users(rows, evaluated, seed=0, most=4)
    assert kept["user_id"].n_unique() == 3 and kept.filter(user_id=3)["item_id"].to_list() == [12, 16]
    assert rows_of_users(rows, evaluated, seed=0, most=1)["user_id"].unique().to_list() == [3]
