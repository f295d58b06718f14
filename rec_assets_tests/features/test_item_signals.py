import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.common.units import DAY_SECONDS
from rec_assets.features.history import InteractionLog
from rec_assets.features.signals.item_signals import (
    ITEM_SIGNALS,
    MAX_SNAPSHOTS,
    MONTH,
    ItemCategories,
    ItemFacts,
    ItemSignals,
    item_signals,
    shrunken_rate,
)

# Items 3 and 4 share their level-2 category; items 5 and 6 are alone.
CATEGORIES = ItemCategories(np.array([2, 2, 2, 3, 3, 3, 4]), np.array([2, 2, 2, 3, 3, 4, 5]))
ALWAYS = np.zeros(7, np.int64)
START = 20_000  # unix day


def signals(rows: list[tuple[int, int, int]], first_days: npt.NDArray[np.int64] = ALWAYS) -> ItemSignals:
    """Returns the signals of rows: user, item, day from `START`."""
    users, items, days = (np.array([row[n] for row in rows], np.int64) for n in range(3))
    log = InteractionLog.of(users, (START + days) * DAY_SECONDS + 3600, items)
    return item_signals(log, CATEGORIES, first_days)


def value(made: ItemSignals, name: str, item: int, day: int) -> float:
    return float(made.at(np.array([item]), np.array([(START + day) * DAY_SECONDS + 7200]))[name][0])


def test_popularity_looks_back_a_day_a_week_or_a_month_and_never_at_the_day_itself() -> None:
    made = signals([(1, 6, day) for day in range(20)])
    for name in ("popularity_day", "popularity_week", "popularity_month"):
        assert value(made, name, 6, 0) == 0
        assert np.expm1([value(made, name, 6, day) for day in (1, 8, 20)]) == pytest.approx([7, 7, 7], rel=1e-4)


def test_later_days_use_the_last_table_and_earlier_ones_the_first() -> None:
    made = signals([(1, 6, 0), (1, 6, 3)])
    assert value(made, "popularity_week", 6, 99) == value(made, "popularity_week", 6, 4)
    assert value(made, "popularity_week", 6, -5) == value(made, "popularity_week", 6, 0) == 0
    assert made.last["popularity_week"].tolist() == made.values["popularity_week"][-1].tolist()


def test_a_new_item_starts_at_the_rate_of_its_category_and_an_old_item_without_interactions_is_lower() -> None:
    rows = [(day, 3, day) for day in range(10)]
    new, old = (
        np.expm1(signals(rows, np.array([0, 0, 0, 0, START + day if day else 0, 0, 0])).last["popularity_week"][[3, 4]])
        for day in (10, 0)
    )
    assert new[1] == pytest.approx(new[0], rel=1e-4)
    assert old[1] < old[0] / 3


def test_the_only_purchase_of_a_new_item_does_not_count_as_one_a_day_where_purchases_are_rare() -> None:
    count, days = np.array([1, 10, 0]), np.array([1, 28, 28])
    new, bought_often, unsold = shrunken_rate(count, days, np.full(3, 0.02))
    assert unsold < 0.02 < new < bought_often
    # In a shop of many purchases, the added days are one day.
    assert shrunken_rate(np.array([30]), np.array([2]), np.array([8.0])) == pytest.approx([38 / 3])
    assert shrunken_rate(np.array([0]), np.array([5]), np.array([0.0])) == 0


def test_repurchase_counts_users_with_a_second_interaction_and_the_days_between() -> None:
    # Ten users choose item 5 every 4 days; ten others choose item 6 once.
    rows = [(user, 5, day) for user in range(10) for day in (0, 4, 8)] + [(user, 6, 0) for user in range(10, 20)]
    made = signals(rows).last
    assert made["repurchase_rate"][[5, 6]].tolist() == [1, 0]
    assert np.expm1(made["repurchase_days"][5]) == pytest.approx(4, rel=1e-4)
    assert np.expm1(made["buyers"][[5, 6]]) == pytest.approx([10, 10])
    assert made["first_purchases"][5] == pytest.approx(12 / 33)
    assert made["first_purchases"][6] == pytest.approx(12 / 13)


def test_the_age_of_an_item_is_its_days_on_sale() -> None:
    made = signals([(1, 3, 0), (1, 3, 9)], np.array([0, 0, 0, 0, START, START + 7, START + 30]))
    ages = np.expm1(made.values["item_age"][:, 3:])
    assert ages[-1] == pytest.approx([MONTH, MONTH, 3, 0], abs=1e-4)
    # Items of the first day are on sale from the start: nobody knows how old they are.
    assert ages[0] == pytest.approx([MONTH, MONTH, 0, 0], abs=1e-4)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(3, 6), st.integers(0, 12)), min_size=1, max_size=40),
    st.integers(0, 12),
)
def test_signals_of_a_day_do_not_depend_on_the_day_or_later_ones(rows: list[tuple[int, int, int]], day: int) -> None:
    first = [(0, 3, 0)]  # so that both logs start on the same day
    whole, earlier = signals(first + rows), signals(first + [row for row in rows if row[2] < day])
    for name in ITEM_SIGNALS:
        for item in range(3, 7):
            if day <= max(row[2] for row in first + rows):
                expected = value(earlier, name, item, day)
                last = max([0, *(row[2] for row in rows if row[2] < day)])
                if last + 1 == day:  # the earlier log's last table is that of the day
                    assert value(whole, name, item, day) == pytest.approx(expected, abs=1e-5)


def test_a_year_of_days_has_few_tables_and_the_last_one_holds_everything() -> None:
    made = signals([(day % 7, 3 + day % 4, day) for day in range(365)])
    assert len(made.days) == MAX_SNAPSHOTS == len(made.values["buyers"])
    assert made.days[0] == START
    assert made.days[-1] == START + 365


def test_a_log_without_rows_has_zeros() -> None:
    made = item_signals(InteractionLog.of([], [], []), CATEGORIES, ALWAYS)
    assert not any(table.any() for table in made.values.values())
    assert made.at(np.array([5]), np.array([10**9]))["buyers"].tolist() == [0]


def test_shares_are_those_of_the_items_category() -> None:
    facts = ItemFacts.of(CATEGORIES, np.array([0, 0, 0, 6, 2, 1, 0]), np.zeros(7, np.float32))
    # Categories 0 to 5 of level 2 have 1, 1, 1, 9, 2 and 1 interactions, each with one more.
    np.testing.assert_allclose(facts.share_l2[[3, 4, 5, 6]], np.array([9, 9, 2, 1]) / 15)
    assert [name for name, _, _ in facts.levels] == ["category_l2", "category_l1"]
