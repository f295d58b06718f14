import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.common.units import DAY_SECONDS
from rec_assets.features.history import UserHistories
from rec_assets.features.signals import ItemCategories, daily_popularity, history_signals

# Items 3 and 4 share both categories, item 5 shares their level-1 category only, item 6 shares none.
CATEGORIES = ItemCategories(np.array([2, 2, 2, 3, 3, 3, 4]), np.array([2, 2, 2, 3, 3, 4, 5]))
NOW = 100 * DAY_SECONDS


@pytest.fixture
def histories() -> UserHistories:
    """Returns two histories: item 3 three and one days ago and item 5 two days ago; and an empty history."""
    past = UserHistories.empty(2)
    past.item_ids[0, :3] = [3, 5, 3]
    past.timestamps[0, :3] = [NOW - DAY_SECONDS, NOW - 2 * DAY_SECONDS, NOW - 3 * DAY_SECONDS]
    return past


def test_signals_count_items_and_their_categories(histories: UserHistories) -> None:
    items = np.array([3, 4, 5, 6], np.int32)
    signals = history_signals(histories, np.array([NOW, NOW]), items, np.zeros(4, np.int64), CATEGORIES)
    counts = {name: np.expm1(values).round(4).tolist() for name, values in signals.items()}
    assert counts == {
        "times_chosen": [2, 0, 1, 0],
        "days_since": [1, 0, 2, 0],
        "times_in_category_l2": [2, 2, 1, 0],
        "times_in_category_l1": [3, 3, 3, 0],
        "history_length": [3, 3, 3, 3],
    }


def test_an_anonymous_user_has_no_signals(histories: UserHistories) -> None:
    items = np.array([3, 0], np.int32)
    signals = history_signals(histories, np.array([NOW, NOW]), items, np.ones(2, np.int64), CATEGORIES)
    assert not any(values.any() for values in signals.values())


def test_candidates_of_many_requests_are_those_of_each_alone(histories: UserHistories) -> None:
    items, owners, now = np.array([3, 4, 5, 6, 3], np.int32), np.array([0, 0, 1, 0, 1]), np.array([NOW, NOW])
    together = history_signals(histories, now, items, owners, CATEGORIES)
    for position in range(len(items)):
        one = slice(position, position + 1)
        alone = history_signals(histories, now, items[one], owners[one], CATEGORIES)
        assert {n: v[position] for n, v in together.items()} == {n: v[0] for n, v in alone.items()}


@given(st.lists(st.lists(st.integers(3, 6), max_size=9), min_size=1, max_size=4), st.lists(st.integers(0, 6)))
def test_counts_and_days_equal_a_loop_over_the_history(pasts: list[list[int]], candidates: list[int]) -> None:
    items, times = np.zeros((len(pasts), 9), np.int32), np.zeros((len(pasts), 9), np.int64)
    for row, past in enumerate(pasts):
        items[row, : len(past)] = past
        times[row, : len(past)] = NOW - 86_400 * (1 + np.arange(len(past)))
    owners = np.arange(len(candidates)) % len(pasts)
    ids, now = np.array(candidates, np.int32), np.full(len(pasts), NOW)
    signals = history_signals(UserHistories(items, times), now, ids, owners, CATEGORIES)
    for position, (owner, item) in enumerate(zip(owners, candidates, strict=True)):
        past = pasts[owner]
        expected = {
            "times_chosen": past.count(item),
            "days_since": 1 + past.index(item) if item in past else 0,
            "times_in_category_l1": sum(CATEGORIES.l1[other] == CATEGORIES.l1[item] for other in past),
            "times_in_category_l2": sum(CATEGORIES.l2[other] == CATEGORIES.l2[item] for other in past),
            "history_length": len(past),
        }
        np.testing.assert_allclose(
            [signals[name][position] for name in expected], np.log1p(list(expected.values())), 1e-6
        )


ALWAYS = np.zeros(7, np.int64)


def test_popularity_looks_back_a_week_or_a_month_and_never_at_the_day_itself() -> None:
    popularity = daily_popularity(np.full(40, 6, np.int32), np.arange(40), CATEGORIES, ALWAYS)
    week, month = (np.expm1(popularity[f"popularity_{name}"][:, 6]) for name in ("week", "month"))
    assert week[0] == 0
    np.testing.assert_allclose(week[[1, 7, 40]], 7, rtol=1e-5)
    np.testing.assert_allclose(month[[1, 28, 40]], 7, rtol=1e-5)
    once = daily_popularity(np.array([6], np.int32), np.array([0]), CATEGORIES, ALWAYS)
    assert np.expm1(once["popularity_week"][:, 6]).round(3).tolist() == [0, 7]


def test_a_new_item_starts_at_the_rate_of_its_category_and_an_old_item_without_interactions_is_lower() -> None:
    items, days = np.full(10, 3, np.int32), np.arange(10)
    new, old = (
        daily_popularity(items, days, CATEGORIES, np.array([0, 0, 0, 0, first_day, 0, 0]))["popularity_week"][10]
        for first_day in (10, 0)
    )
    assert new[4] == pytest.approx(new[3])
    assert old[4] < old[3] / 3
