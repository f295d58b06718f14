import numpy as np
import polars as pl
import pytest

from rec_assets.datasets.candidates import Candidates
from rec_assets.features.history import PADDING_ID
from rec_assets.training.ranking.selection import ListsOfTrack, Scores, value_of, value_of_ranking

USERS = 400
BEFORE_ALL, BEFORE_NEW = np.full(USERS, 0.15), np.full(USERS, 0.002)


def around(mean: float) -> Scores:
    """Returns scores with a mean and a standard error of about 0.0025."""
    return mean + 0.05 * np.where(np.arange(USERS) % 2, 1, -1)


def test_a_gain_of_both_tracks_counts_as_their_geometric_mean() -> None:
    ranked = [around(0.18), np.full(USERS, 0.005)]
    value = value_of_ranking(ranked, [BEFORE_ALL, BEFORE_NEW])
    assert value == value_of(ranked) == pytest.approx(np.sqrt(0.18 * 0.005), rel=1e-3)


def test_a_track_near_zero_cannot_buy_a_loss_of_the_other_track() -> None:
    before = [BEFORE_ALL, BEFORE_NEW]
    ranked = [around(0.13), np.full(USERS, 0.006)]
    assert value_of(ranked) > value_of(before)
    assert value_of_ranking(ranked, before) == value_of(before)
    assert value_of_ranking([around(0.13), BEFORE_NEW], before) < value_of(before)


def test_a_loss_within_a_standard_error_is_no_loss() -> None:
    ranked = [around(0.149), np.full(USERS, 0.003)]
    assert value_of_ranking(ranked, [BEFORE_ALL, BEFORE_NEW]) == value_of(ranked)


def test_a_track_without_users_is_left_out() -> None:
    none = np.zeros(0)
    assert value_of([BEFORE_ALL, none]) == pytest.approx(0.15, rel=1e-3)
    assert value_of_ranking([around(0.18), none], [BEFORE_ALL, none]) == pytest.approx(0.18, rel=1e-3)


def test_the_retrieval_order_of_a_track_skips_the_candidates_that_it_leaves_out() -> None:
    item_ids = np.array([[1, 2, 3, 4]], np.int32)
    candidates = Candidates(item_ids, np.zeros(item_ids.shape, np.float32))
    track = candidates.where(np.isin(item_ids, [3, 4]))
    assert track.item_ids[0, 0] == PADDING_ID
    relevant = pl.DataFrame({"user_id": [7], "item_id": [30]}, schema={"user_id": pl.Int32, "item_id": pl.Int32})
    lists = ListsOfTrack(track, np.array([7], np.int32), np.arange(5, dtype=np.int32) * 10, relevant)
    assert lists.retrieval_order == pytest.approx([1.0])
    assert lists.ranked(np.array([[4.0, 3, 2, 1]], np.float32)) == pytest.approx([1.0])
