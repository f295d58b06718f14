"""The state of the catalog over updates: what is unavailable, and what is written to the feature store."""

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.catalog_state import CHANGED_AT, changed_since, next_state

CATALOGS = st.lists(st.dictionaries(st.integers(0, 5), st.tuples(st.integers(1, 3), st.booleans())), max_size=5)
DAY = 86_400


def catalog(items: dict[int, tuple[int, bool]]) -> pl.DataFrame:
    rows = [(item, float(price), price % 2, price % 2, -1, shown) for item, (price, shown) in items.items()]
    columns = {"item_id": pl.Int32, "price": pl.Float32, "category_l1": pl.Int32, "category_l2": pl.Int32}
    return pl.DataFrame(rows, {**columns, "item_gender": pl.Int32, "available": pl.Boolean}, orient="row")


@given(CATALOGS, st.integers(0, 3))
def test_items_that_left_or_are_out_of_stock_are_unavailable_and_the_store_ends_with_the_catalog(
    catalogs: list[dict[int, tuple[int, bool]]], days: int
) -> None:
    state, seen = None, set[int]()
    store: dict[int, tuple[float, int]] = {}  # price and time by item, as the feature store keeps them
    for number, items in enumerate(catalogs):
        before, state = state, next_state(catalog(items), state, DAY * min(number, days))
        seen |= items.keys()
        shown = {item for item, (_, available) in items.items() if available}
        assert set(state.filter(~pl.col("available"))["item_id"]) == seen - shown
        assert state["item_id"].to_list() == sorted(seen)
        for item, price, time in changed_since(state, before).select("item_id", "price", CHANGED_AT).iter_rows():
            assert item not in store or time > store[item][1]
            store[item] = price, time
        for item in shown & store.keys():
            assert store[item][0] == items[item][0]


def test_nothing_changes_where_the_catalog_is_the_same() -> None:
    first = next_state(catalog({1: (2, True), 2: (3, True)}), None, DAY)
    second = next_state(catalog({1: (2, True), 2: (3, True)}), first, 9 * DAY)
    assert second.equals(first)
    assert changed_since(second, first).is_empty()
    third = next_state(catalog({1: (1, True)}), second, 9 * DAY)
    assert changed_since(third, second)["item_id"].to_list() == [1]
    assert third[CHANGED_AT].to_list() == [9 * DAY + 1, 0]
