from math import log2

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.evaluation.outcomes.variety import Variety, variety_of

IDS = st.integers(0, 9)


def series(values: list[int]) -> pl.Series:
    return pl.Series(values, dtype=pl.Int32)


def test_figures_of_a_small_example() -> None:
    found = variety_of(series([1, 1, 2, 5]), series([1, 2, 3, 4]), series([1, 1, 1, 3]))
    # Item 5 left the catalog. With one row more for each of the five items there are nine.
    assert found.coverage == 0.5
    assert found.novelty == pytest.approx((2 * log2(9 / 4) + 2 * log2(9)) / 4)
    assert found.new_items == 0.5


@given(shown=st.lists(IDS, min_size=1), catalog=st.sets(IDS, min_size=1), trained=st.lists(IDS))
def test_figures_are_in_range_and_popular_items_are_the_least_novel(
    shown: list[int], catalog: set[int], trained: list[int]
) -> None:
    items, rows = series(sorted(catalog)), series(trained)
    found = variety_of(series(shown), items, rows)
    assert found.coverage is not None and found.novelty is not None and found.new_items is not None
    assert 0 <= found.coverage <= 1 and 0 <= found.new_items <= 1 and found.novelty >= 0
    if trained:
        most = max(trained, key=trained.count)
        alone = variety_of(series([most]), items.append(series(shown)).unique(), rows).novelty
        assert alone is not None and alone <= variety_of(series(shown), items, rows).novelty + 1e-9  # type: ignore[operator]


def test_no_lists_have_no_figures() -> None:
    assert variety_of(series([]), series([1]), series([1])) == Variety(None, None, None)
