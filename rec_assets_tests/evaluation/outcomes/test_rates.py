import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.evaluation.outcomes.attribution import attribute
from rec_assets.evaluation.outcomes.rates import ANY, answer_rates, item_rates, wilson
from rec_assets_tests.evaluation.outcomes.shown_lists import ANSWERS, EVENTS, interactions_of, shown_of


@given(answers=ANSWERS, events=EVENTS)
def test_rates_add_up_to_all_shown_items_and_all_outcomes(
    answers: list[tuple[int, int, list[int]]], events: list[tuple[int, int, int, str]]
) -> None:
    shown = shown_of(answers).filter(pl.col("user_id") >= 0)
    outcomes = attribute(shown, interactions_of(events), 5)
    items, lists = item_rates(shown, outcomes, "position"), answer_rates(shown, outcomes, "bundle_id")
    for rates, unit, total in ((items, ["answer_id", "item_id"], shown.height), (lists, ["answer_id"], None)):
        for kind in rates["kind"].unique():
            rows, found = rates.filter(kind=kind), outcomes if kind == ANY else outcomes.filter(kind=kind)
            assert rows["shown"].sum() == (shown["answer_id"].n_unique() if total is None else total)
            assert rows["hits"].sum() == found.select(unit).unique().height
        assert set(outcomes["kind"]) <= set(rates["kind"])
        assert rates.filter(~(pl.col("low") <= pl.col("rate")) | ~(pl.col("rate") <= pl.col("high"))).is_empty()


@given(shown=st.integers(1, 10_000), data=st.data())
def test_the_interval_is_that_of_wilsons_formula(shown: int, data: st.DataObject) -> None:
    hits, z = data.draw(st.integers(0, shown)), 1.959963984540054
    rate, low_high = hits / shown, wilson(hits, shown)
    half = z * (rate * (1 - rate) / shown + z**2 / (4 * shown**2)) ** 0.5
    ends = [(rate + z**2 / (2 * shown) + sign * half) / (1 + z**2 / shown) for sign in (-1, 1)]
    assert low_high == pytest.approx(ends, abs=1e-12)


def test_rates_of_no_lists_are_empty() -> None:
    shown, outcomes = shown_of([]), attribute(shown_of([]), interactions_of([]), 60)
    assert item_rates(shown, outcomes, "position").is_empty()
