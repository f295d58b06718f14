from collections import Counter

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features import top_category as module
from rec_assets.features.history import LENGTH
from rec_assets.features.top_category import NO_CATEGORY, WINDOW_SECONDS, top_category_as_of

Event = tuple[int, int, int]  # user, time, category
events = st.lists(
    st.tuples(st.integers(1, 3), st.integers(0, 12).map(lambda n: n * WINDOW_SECONDS // 5), st.integers(0, 3)),
    max_size=40,
)


def frame(rows: list[Event]) -> pl.LazyFrame:
    schema = {"user_id": pl.Int32, "timestamp": pl.Int64, "category_l1": pl.Int32}
    return pl.LazyFrame(rows, schema=schema, orient="row")


def top_category(rows: list[Event], user: int, at: int) -> int:
    queries = pl.LazyFrame({"user_id": [user], "timestamp": [at]}, schema={"user_id": pl.Int32, "timestamp": pl.Int64})
    return int(top_category_as_of(queries, frame(rows)).collect()["top_category"].item())


def by_hand(rows: list[Event], user: int, at: int, latest: int = LENGTH) -> int:
    """Implements the definition directly; categories of the same second count in ascending order."""
    window = [(t, c) for u, t, c in sorted(rows) if u == user and at - WINDOW_SECONDS <= t < at][-latest:]
    counts = Counter(category for _, category in window)
    last = {category: position for position, (_, category) in enumerate(window)}
    return max(counts, key=lambda c: (counts[c], last[c]), default=NO_CATEGORY)


@given(events, st.integers(1, 4), st.integers(0, 13).map(lambda n: n * WINDOW_SECONDS // 5))
def test_the_most_frequent_category_of_24_hours_wins_and_the_latest_in_a_tie(
    rows: list[Event], user: int, at: int
) -> None:
    assert top_category(rows, user, at) == by_hand(rows, user, at)


@given(events, st.integers(1, 4), st.integers(0, 13).map(lambda n: n * WINDOW_SECONDS // 5), st.integers(1, 8))
def test_busy_users_and_others_have_one_definition(rows: list[Event], user: int, at: int, latest: int) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "LENGTH", latest)
        assert top_category(rows, user, at) == by_hand(rows, user, at, latest)


@given(events, st.tuples(st.integers(1, 3), st.integers(0, 100_000), st.integers(0, 3)))
def test_nothing_at_or_after_the_query_changes_it(rows: list[Event], later: Event) -> None:
    at = 2 * WINDOW_SECONDS
    future = (later[0], at + later[1], later[2])
    assert top_category(rows, future[0], at) == top_category([*rows, future], future[0], at)


@pytest.mark.parametrize(
    ("seconds_before", "expected"),
    [(0, NO_CATEGORY), (1, 2), (WINDOW_SECONDS, 2), (WINDOW_SECONDS + 1, NO_CATEGORY)],
)
def test_the_window_is_closed_at_its_start_and_open_at_its_end(seconds_before: int, expected: int) -> None:
    at = 10 * WINDOW_SECONDS
    assert top_category([(1, at - seconds_before, 2)], 1, at) == expected


def test_a_tie_goes_to_the_category_with_the_latest_event() -> None:
    assert top_category([(1, 10, 3), (1, 20, 0)], 1, 100) == 0
    assert top_category([(1, 10, 0), (1, 20, 3)], 1, 100) == 3


def test_basket_lines_do_not_predict_each_other() -> None:
    assert top_category([(1, 100, 2), (1, 100, 3)], 1, 100) == NO_CATEGORY


def test_only_the_latest_events_of_a_busy_user_count() -> None:
    rows = [(1, at, 3) for at in range(500)] + [(1, 500 + at, 2) for at in range(LENGTH // 2 + 1)]
    assert top_category(rows, 1, 2000) == 2
    assert top_category(rows[:-2], 1, 2000) == 3
