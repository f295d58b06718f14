import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.evaluation.metrics import among, score_lists

USERS = np.array([1, 2], np.int32)
RELEVANT = pl.DataFrame({"user_id": [1, 1, 2], "item_id": [10, 11, 20]})


def test_a_perfect_list_scores_one() -> None:
    lists = np.array([[10, 11, 12], [20, 21, 22]])
    assert score_lists(USERS, lists, RELEVANT, ("recall@10", "ndcg@10", "hit_rate@10")) == {
        "recall@10": 1.0,
        "ndcg@10": 1.0,
        "hit_rate@10": 1.0,
    }


def test_metrics_are_averaged_over_users_as_by_hand() -> None:
    lists = np.array([[99, 10, 98], [97, 96, 95]])
    scores = score_lists(USERS, lists, RELEVANT, ("recall@10", "ndcg@10", "hit_rate@10"))
    ndcg = (1 / np.log2(3)) / (1 + 1 / np.log2(3))
    assert scores["recall@10"] == pytest.approx(0.25)
    assert scores["ndcg@10"] == pytest.approx(ndcg / 2)
    assert scores["hit_rate@10"] == pytest.approx(0.5)


def test_padding_of_short_lists_is_no_item() -> None:
    lists = np.array([[10, -1, -1], [-1, -1, -1]])
    assert score_lists(USERS, lists, RELEVANT, ("recall@10",))["recall@10"] == pytest.approx(0.25)


@given(st.integers(0, 2**32 - 1))
def test_positions_are_marked_where_user_and_item_are_a_pair(seed: int) -> None:
    random = np.random.default_rng(seed)
    users, lists = np.arange(3, dtype=np.int32), random.integers(-1, 5, (3, 4)).astype(np.int32)
    pairs = pl.DataFrame({"user_id": random.integers(0, 5, 6), "item_id": random.integers(-1, 5, 6)})
    paired = set(pairs.iter_rows())
    expected = [[item >= 0 and (user, item) in paired for item in row] for user, row in zip(users, lists, strict=True)]
    assert among(users, lists, pairs).tolist() == expected
    assert not among(users, lists, pairs.clear()).any()
