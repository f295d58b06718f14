from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.ranker_users import trains_ranker
from rec_assets.datasets.ranking_features import all_signals
from rec_assets.features.columns import REQUEST_USER_ID, SIGNALS, TIMESTAMP
from rec_assets.features.history import InteractionLog, UserHistories
from rec_assets.features.signals.history_signals import NEIGHBOR_SCORE
from rec_assets.training.loop.candidate_signals import STORED_SIGNALS, CandidateSignals
from rec_assets.training.ranking.candidate_lists import (
    RankerLists,
    arrivals,
    draw_lists,
    interacted_later,
    new_to_users,
)
from rec_assets_tests.datasets.random_inputs import DAY, ranking_inputs


def candidates(requests: int, depth: int, seed: int) -> Candidates:
    rng = np.random.default_rng(seed)
    item_ids = np.stack([1 + rng.permutation(2 * depth)[:depth] for _ in range(requests)]).astype(np.int32)
    return Candidates(item_ids, -np.sort(-rng.random((requests, depth)).astype(np.float32), axis=1))


@given(st.integers(1, 20), st.integers(4, 20), st.integers(1, 3), st.integers(1, 10), st.integers(0, 1000))
def test_a_list_is_its_positives_then_others_and_nothing_twice(
    requests: int, depth: int, positives: int, negatives: int, seed: int
) -> None:
    interacted = np.random.default_rng(seed).random((requests, depth)) < 0.3
    found = candidates(requests, depth, seed)
    rows, positions, positive = draw_lists(found.item_ids != 0, interacted, positives, negatives, seed)
    assert rows.tolist() == np.flatnonzero(interacted.any(axis=1)).tolist()
    for row, drawn, real in zip(rows, positions, positive, strict=True):
        first, others = drawn[:positives], drawn[positives:]
        assert real.sum() == min(positives, interacted[row].sum())
        assert interacted[row][first[real]].all()
        assert len(set(first[real])) == real.sum()
        if (~interacted[row]).sum() >= negatives:
            assert not interacted[row][others].any()
            assert len(set(others)) == negatives


def test_equal_seeds_draw_equal_lists() -> None:
    found, interacted = candidates(50, 20, 1), np.random.default_rng(1).random((50, 20)) < 0.2
    first, again, other = (draw_lists(found.item_ids != 0, interacted, 2, 5, seed)[1] for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_interacted_later_is_from_the_request_on_and_within_the_horizon() -> None:
    log = InteractionLog.of([7, 7, 7, 7, 8], [50, 100, 100 + DAY, 100 + 2 * DAY, 100], [3, 4, 5, 6, 9])
    found = Candidates(np.array([[3, 4, 5, 6, 9, 0]], np.int32), np.zeros((1, 6), np.float32))
    found_later = interacted_later(np.array([7], np.int32), np.array([100]), found, log, 2)
    assert found_later.tolist() == [[False, True, True, False, False, False]]


def test_items_of_a_users_own_history_are_not_new_to_the_user() -> None:
    found = Candidates(np.array([[3, 4, 5], [3, 4, 5]], np.int32), np.zeros((2, 3), np.float32))
    past = UserHistories(np.array([[4, 9, 0], [5, 3, 4]], np.int32), np.zeros((2, 3), np.int64))
    assert new_to_users(found, past).tolist() == [[True, False, True], [False, False, False]]


def all_of(signals: CandidateSignals) -> npt.NDArray[np.float32]:
    """Returns `SIGNALS` of all candidates [n, k, signals]."""
    return np.stack([signals.column(number) for number in range(len(SIGNALS))], axis=-1)


def test_signals_of_drawn_candidates_are_those_of_all_candidates() -> None:
    found, past, times, items, neighbors = ranking_inputs(seed=4)
    expected = all_signals(found, past, times, items, neighbors)
    signals = CandidateSignals(found.item_ids, expected[..., : len(STORED_SIGNALS)], times, items.signals)
    np.testing.assert_array_equal(all_of(signals), expected)
    rows, positions = np.array([4, 0, 0]), np.array([[3, 1], [0, 2], [1, 1]])
    item_ids, drawn = signals.at(rows, positions)
    np.testing.assert_array_equal(item_ids, found.item_ids[rows[:, None], positions])
    np.testing.assert_array_equal(drawn, expected[rows[:, None], positions])


def test_the_ranker_trains_on_first_rows_of_days_of_its_own_users() -> None:
    users = np.repeat(np.arange(100), 4)
    times = np.tile([10, 20, DAY + 5, DAY + 1], 100)
    rows = {REQUEST_USER_ID: users, TIMESTAMP: times}
    mine = np.flatnonzero(trains_ranker(np.arange(100)))
    expected = sorted([4 * u for u in mine] + [4 * u + 3 for u in mine])
    assert arrivals(rows, trains_ranker(users), 1_000, seed=0).tolist() == expected
    assert len(arrivals(rows, trains_ranker(users), 5, seed=0)) == 5


def test_about_a_quarter_of_the_users_and_no_anonymous_user_is_the_rankers() -> None:
    assert trains_ranker(np.arange(10_000)).mean() == pytest.approx(0.25, abs=0.02)
    assert trains_ranker(np.arange(0, 1_000_000, 4)).mean() == pytest.approx(0.25, abs=0.02)
    assert not trains_ranker(np.array([-1])).any()


def test_items_have_no_neighbor_score_on_their_first_day_and_all_other_signals() -> None:
    found, past, times, items, neighbors = ranking_inputs(seed=3)
    requests = {REQUEST_USER_ID: np.arange(len(times)), TIMESTAMP: times + 10 * DAY}
    later = InteractionLog.of(requests[REQUEST_USER_ID], requests[TIMESTAMP], found.item_ids[:, 0])
    is_row = past.timestamps > 0
    log = InteractionLog.of(np.nonzero(is_row)[0], past.timestamps[is_row], past.item_ids[is_row])
    tables = [replace(items, first_days=np.full_like(items.first_days, first)) for first in (0, 11)]
    users = requests[REQUEST_USER_ID].astype(np.int32)
    made = [RankerLists.of(requests, users, found, log, later, table, neighbors, horizon_days=3) for table in tables]
    old, new = (all_of(one.signals) for one in made)
    first_day = requests[TIMESTAMP] // DAY == 11
    score = SIGNALS.index(NEIGHBOR_SCORE)
    assert old[first_day, :, score].any()
    expected = old.copy()
    expected[first_day, :, score] = 0
    np.testing.assert_array_equal(new, expected)
