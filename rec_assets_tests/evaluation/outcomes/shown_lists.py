"""Shown lists and interactions for tests: small id ranges, so that users, items and seconds often meet."""

import polars as pl
from hypothesis import strategies as st

from rec_assets.evaluation.outcomes.shown import HISTORY, shown_rows
from rec_assets.realtime.answers.schema import LISTS

INTERACTIONS = {"user_id": pl.Int32, "item_id": pl.Int32, "timestamp": pl.Int64, "kind": pl.String}
ITEMS = st.integers(0, 3)
ANSWERS = st.lists(
    st.tuples(st.integers(0, 9_999), st.integers(-1, 2), st.lists(ITEMS, unique=True, max_size=4)), max_size=8
)
EVENTS = st.lists(
    st.tuples(st.integers(0, 2), ITEMS, st.integers(0, 12), st.sampled_from(["clicked", "bought"])), max_size=12
)


def shown_of(answers: list[tuple[int, int, list[int]]]) -> pl.DataFrame:
    """Returns the rows of answers, given as (unix ms, user, items)."""
    rows = [
        (f"a{n}", at, user, "bundle", "", 0, at // 1000, False, "", items, [1.0] * len(items), 0, None)
        for n, (at, user, items) in enumerate(answers)
    ]
    return shown_rows(pl.DataFrame(rows, LISTS | HISTORY, orient="row"))


def interactions_of(events: list[tuple[int, int, int, str]]) -> pl.DataFrame:
    """Returns interactions, given as (user, item, unix second, kind)."""
    return pl.DataFrame(events, INTERACTIONS, orient="row")
