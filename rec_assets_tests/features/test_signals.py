import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.common.units import DAY_SECONDS
from rec_assets.features.history import UserHistories
from rec_assets.features.signals.history_signals import (
    HISTORY_SIGNALS,
    REQUEST_SIGNALS,
    history_signals,
    retrieval_rank,
)
from rec_assets.features.signals.item_signals import ItemCategories, ItemFacts
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import Past
from rec_assets_tests.features.numpy_signals import numpy_signals

# Items 3 and 4 share both categories, item 5 shares their level-1 category only, item 6 shares none.
CATEGORIES = ItemCategories(np.array([2, 2, 2, 3, 3, 3, 4]), np.array([2, 2, 2, 3, 3, 4, 5]))
FACTS = ItemFacts.of(CATEGORIES, np.ones(7), np.array([0, 0, 0, 1, 2, 3, 4], np.float32))
NEIGHBORS = Neighbors(np.array([[0], [0], [0], [4], [3], [6], [5]], np.int32), np.full((7, 1), 0.5, np.float32))
NOW = 100 * DAY_SECONDS
LOGGED = ("times_chosen", "days_since", "baskets_since", "neighbor_score")


@pytest.fixture
def histories() -> UserHistories:
    """Returns two histories: item 3 three and one days ago and item 5 two days ago; and an empty history."""
    past = UserHistories.empty(2)
    past.item_ids[0, :3] = [3, 5, 3]
    past.timestamps[0, :3] = [NOW - DAY_SECONDS, NOW - 2 * DAY_SECONDS, NOW - 3 * DAY_SECONDS]
    return past


def signals(histories: UserHistories, items: list[int], owners: list[int]) -> dict[str, npt.NDArray[np.float32]]:
    past = Past(histories, np.full(len(histories.item_ids), NOW))
    days = np.full(len(items), np.log1p(1), np.float32)
    return history_signals(past, np.array(items, np.int32), np.array(owners, np.int64), FACTS, NEIGHBORS, days)


def test_signals_count_items_categories_and_baskets(histories: UserHistories) -> None:
    made = signals(histories, [3, 4, 5, 6], [0, 0, 0, 0])
    counts: dict[str, list[float]] = {
        "times_chosen": [2, 0, 1, 0],
        "days_since": [1, 0, 2, 0],
        "baskets_since": [0, 0, 1, 0],
        "neighbor_score": [0, np.log(3) / 2, 0, np.log(2) / 2],  # item 3 twice, item 5 once
        "times_in_category_l2": [2, 2, 1, 0],
        "days_since_category_l2": [1, 1, 2, 0],
        "times_in_category_l1": [3, 3, 3, 0],
        "days_since_category_l1": [1, 1, 1, 0],
        "history_length": [3, 3, 3, 3],
        "baskets": [3, 3, 3, 3],
        "baskets_month": [3, 3, 3, 3],
        "days_since_any": [1, 1, 1, 1],
        "basket_size": [1, 1, 1, 1],
    }
    for name, expected in counts.items():
        np.testing.assert_allclose(np.expm1(made[name]), expected, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(made["share_of_baskets"], [2 / 3, 0, 1 / 3, 0], atol=1e-6)
    np.testing.assert_allclose(made["share_of_category_l2_rows"], [1, 0, 1, 0], atol=1e-6)
    np.testing.assert_allclose(made["repeat_share"], 1 / 13, atol=1e-6)
    # Item 3 is due: one day since the last time, and a mean of one day between interactions.
    np.testing.assert_allclose(made["overdue"], [0, 0, np.log(3) - np.log(2), 0], atol=1e-6)


def test_a_preferred_category_has_a_positive_affinity_and_another_a_negative_one(histories: UserHistories) -> None:
    made = signals(histories, [3, 6], [0, 0])
    for level in ("category_l2", "category_l1"):
        assert made[f"affinity_to_{level}"][0] > 0 > made[f"affinity_to_{level}"][1]


def test_the_price_is_compared_with_the_users_own_prices(histories: UserHistories) -> None:
    made = signals(histories, [3, 5, 6], [0, 0, 0])["price_difference"]
    # The user's prices are 1, 3 and 1.
    expected = (np.array([1, 3, 4]) - 5 / 3) / np.sqrt(np.var([1, 3, 1]) + 0.1)
    np.testing.assert_allclose(made, expected, rtol=1e-5)


def test_an_anonymous_user_has_no_signals(histories: UserHistories) -> None:
    assert not any(values.any() for values in signals(histories, [3, 0], [1, 1]).values())


def test_rows_of_one_second_are_one_basket() -> None:
    past = UserHistories.empty(1)
    past.item_ids[0, :4], past.timestamps[0, :4] = [3, 4, 5, 6], NOW - np.array([60, 60, 90, 90])
    made = signals(past, [3, 6], [0, 0])
    np.testing.assert_allclose(np.expm1(made["baskets"]), [2, 2], rtol=1e-5)
    np.testing.assert_allclose(np.expm1(made["baskets_since"]), [0, 1], atol=1e-5)
    np.testing.assert_allclose(np.expm1(made["basket_size"]), [2, 2], rtol=1e-5)


def test_candidates_of_many_requests_are_those_of_each_alone(histories: UserHistories) -> None:
    items, owners = [3, 4, 6, 5, 3], [0, 0, 0, 1, 1]
    together = signals(histories, items, owners)
    assert tuple(together) == HISTORY_SIGNALS
    for position, (item, owner) in enumerate(zip(items, owners, strict=True)):
        alone = signals(histories, [item], [owner])
        assert {n: v[position] for n, v in together.items()} == {n: v[0] for n, v in alone.items()}


@given(st.lists(st.lists(st.integers(3, 6), max_size=9), min_size=1, max_size=4), st.lists(st.integers(0, 6)))
def test_counts_and_days_equal_a_loop_over_the_history(pasts: list[list[int]], candidates: list[int]) -> None:
    items, times = np.zeros((len(pasts), 9), np.int32), np.zeros((len(pasts), 9), np.int64)
    for row, past in enumerate(pasts):
        items[row, : len(past)] = past
        times[row, : len(past)] = NOW - 86_400 * (1 + np.arange(len(past)))
    owners = sorted(number % len(pasts) for number in range(len(candidates)))
    made = signals(UserHistories(items, times), candidates, owners)
    for position, (owner, item) in enumerate(zip(owners, candidates, strict=True)):
        past = pasts[owner]
        expected = {
            "times_chosen": past.count(item),
            "days_since": 1 + past.index(item) if item in past else 0,
            "baskets_since": past.index(item) if item in past else 0,
            "neighbor_score": sum(
                np.log1p(past.count(other)) for other in set(past) if NEIGHBORS.item_ids[other, 0] == item
            )
            / 2,
            "times_in_category_l1": sum(CATEGORIES.l1[other] == CATEGORIES.l1[item] for other in past),
            "times_in_category_l2": sum(CATEGORIES.l2[other] == CATEGORIES.l2[item] for other in past),
            "history_length": len(past),
            "baskets": len(past),
            "days_since_any": 1 if past else 0,
        }
        found = [made[name][position] for name in expected]
        np.testing.assert_allclose(found, np.log1p(list(expected.values())), 1e-5, 1e-6)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 6), st.integers(1, 9 * DAY_SECONDS)), max_size=9), min_size=1, max_size=4
    ),
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6))),
)
def test_the_compiled_loop_equals_the_definition_with_numpy(
    pasts: list[list[tuple[int, int]]], candidates: list[tuple[int, int]]
) -> None:
    histories = UserHistories.empty(len(pasts))
    for row, past in enumerate(pasts):
        for place, (item, age) in enumerate(sorted(past, key=lambda pair: pair[1])):
            histories.item_ids[row, place], histories.timestamps[row, place] = item, NOW - age
    pairs = sorted((owner % len(pasts), item) for owner, item in candidates)
    owners, items = np.array(pairs, np.int64).reshape(-1, 2).T
    flat, days = Past(histories, np.full(len(pasts), NOW)), np.linspace(0, 3, len(pairs), dtype=np.float32)
    made, expected = (
        one(flat, items.astype(np.int32), owners, FACTS, NEIGHBORS, days) for one in (history_signals, numpy_signals)
    )
    assert tuple(made) == HISTORY_SIGNALS
    for name, values in expected.items():
        assert made[name].dtype == np.float32
        np.testing.assert_allclose(made[name], values, rtol=1e-6, atol=1e-6, err_msg=name)


def test_an_item_outside_the_tables_is_an_error(histories: UserHistories) -> None:
    with pytest.raises(IndexError, match="Item 7 is outside the 7 encoded items"):
        signals(histories, [7], [0])


def test_signals_of_a_request_are_equal_for_all_its_candidates(histories: UserHistories) -> None:
    made = signals(histories, [3, 4, 5, 6], [0, 0, 0, 0])
    assert all(len(set(made[name].tolist())) == 1 for name in REQUEST_SIGNALS)


@given(st.lists(st.lists(st.sampled_from([0.0, 0.7, 1.4]), max_size=6), min_size=1, max_size=4))
def test_the_rank_counts_own_and_new_candidates_apart(requests: list[list[float]]) -> None:
    owners = np.repeat(np.arange(len(requests)), [len(one) for one in requests])
    found = retrieval_rank(owners, np.array([chosen for one in requests for chosen in one]))
    expected = [
        np.log1p(sum((other > 0) == (chosen > 0) for other in one[:position])) - (8 if chosen else 0)
        for one in requests
        for position, chosen in enumerate(one)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_own_candidates_have_lower_ranks_than_all_new_ones() -> None:
    found = retrieval_rank(np.zeros(1_400, np.int64), np.repeat([1.0, 0.0], [400, 1_000]))
    assert (np.diff(found) > 0).all()
