"""Tests of the probabilities to buy an item again."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_assets.common.units import DAY_SECONDS as DAY
from rec_assets.datasets.related.again import BuyAgain, Purchases
from rec_assets.datasets.related.count_again import count_again
from rec_assets.features.history import InteractionLog

SIZE = 8
WEEKLY, ONCE = 3, 4  # items


@pytest.fixture(scope="module")
def log() -> InteractionLog:
    """Two hundred users: each buys `WEEKLY` every seven days from a day of their own on, and `ONCE` a single time."""
    users = np.arange(200)
    weekly = [(user, (user % 7 + 7 * week) * DAY + 60, WEEKLY) for user in users for week in range(9)]
    once = [(user, (user % 50) * DAY + 60, ONCE) for user in users]
    return InteractionLog.of(*map(np.array, zip(*weekly, *once, strict=True)))


@pytest.fixture(scope="module")
def again(log: InteractionLog) -> BuyAgain:
    return count_again(log, SIZE)


def chance(again: BuyAgain, item: int, days: list[int], now: int) -> float:
    ids, chances = again.due(np.full(len(days), item), np.array(days) * DAY + 60, now * DAY)
    assert ids.tolist() == [item]
    return float(chances[0])


def test_purchases_of_one_day_count_once() -> None:
    pairs = Purchases.of(np.array([1, 0, 1, 1]), np.array([3, 3, 3, 3]), np.array([DAY, 5, 10, 20]))
    assert pairs.owners.tolist() == [0, 1]
    assert pairs.days.tolist() == [1, 2]
    assert pairs.first.tolist() == [5, 10]
    assert pairs.last.tolist() == [5, DAY]
    assert len(Purchases.of(*[np.empty(0, np.int64)] * 3).days) == 0


def test_a_due_item_comes_before_one_that_nobody_buys_again(again: BuyAgain) -> None:
    weeks = np.arange(7) * 7
    ids, chances = again.due(np.append(np.full(7, WEEKLY), ONCE), np.append(weeks, 40) * DAY, 48 * DAY)
    assert ids.tolist() == [WEEKLY, ONCE]
    assert chances[0] > 0.9
    assert chances[1] < 0.1


def test_the_intervals_are_those_of_the_items(again: BuyAgain) -> None:
    assert again.items["interval"][WEEKLY] == pytest.approx(7)
    assert (again.items["factor"] > 0).all()


def test_a_probability_is_that_of_pairs_with_the_same_past(log: InteractionLog, again: BuyAgain) -> None:
    now = 49
    before = log.until(now * DAY)
    pairs = Purchases.of(before.user_ids, before.item_ids, before.timestamps)
    expected = again.scores(pairs, now * DAY)
    soon = log.at((log.timestamps >= now * DAY) & (log.timestamps < (now + 7) * DAY))
    bought = len(np.unique(soon.user_ids << 32 | soon.item_ids))
    assert expected.sum() == pytest.approx(bought, rel=0.1)
    assert expected.max() < 1


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_past_makes_a_purchase_certain(data: st.DataObject) -> None:
    rows = st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(1, SIZE - 1))
    drawn = data.draw(st.lists(rows, min_size=1, max_size=12))
    # Repeated weeks of the same users: the more of them, the nearer to certain.
    log = InteractionLog.of(
        *map(np.array, zip(*[(u, (d + 7 * week) * DAY, i) for u, d, i in drawn for week in range(9)], strict=True))
    )
    again = count_again(log, SIZE)
    history = data.draw(st.lists(st.tuples(st.integers(1, SIZE - 1), st.integers(0, 99)), min_size=1))
    items, days = (np.array(column) for column in zip(*history, strict=True))
    chances = again.due(items, days * DAY, 100 * DAY)[1]
    assert ((chances >= 0) & (chances < 1)).all()


def test_items_whose_repeats_a_few_rows_predict_without_an_error_have_probabilities() -> None:
    weeks = [(0, (day + 7 * week) * DAY, item) for day, item in ((0, 1), (1, 3), (28, 1), (35, 2)) for week in range(9)]
    again = count_again(InteractionLog.of(*map(np.array, zip(*weeks, strict=True))), SIZE)
    assert np.isfinite(again.items["factor"]).all()
    chances = again.due(np.array([1, 2, 3]), np.array([0, 0, 0]), 100 * DAY)[1]
    assert ((chances >= 0) & (chances < 1)).all()


def test_the_last_week_scales_the_probabilities() -> None:
    """Half of the users stay away in the last of nine weeks."""
    weeks = [(user, (user % 7 + 7 * week) * DAY, WEEKLY) for user in range(400) for week in range(9)]
    left = [row for row in weeks if row[0] < 200 or row[1] < 56 * DAY]
    busy, calm = (
        count_again(InteractionLog.of(*map(np.array, zip(*rows, strict=True))), SIZE) for rows in (weeks, left)
    )
    past = [7 * week for week in range(9)]
    assert chance(calm, WEEKLY, past, 63) < 0.9 < chance(busy, WEEKLY, past, 63)


def test_rows_from_the_request_on_do_not_count(again: BuyAgain) -> None:
    assert chance(again, WEEKLY, [1, 8, 20], now=14) == chance(again, WEEKLY, [1, 8], now=14)
    assert len(again.due(np.array([WEEKLY]), np.array([14 * DAY]), 14 * DAY)[0]) == 0


def test_a_shop_without_repeats_has_none(log: InteractionLog, tmp_path: Path) -> None:
    count_again(log.at(log.item_ids == ONCE), SIZE).save(tmp_path)
    assert not BuyAgain.load(tmp_path).has_repeats
    assert not count_again(log.until(0), SIZE).has_repeats
    assert count_again(log, SIZE).has_repeats
