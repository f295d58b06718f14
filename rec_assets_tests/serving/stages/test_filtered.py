"""Filters of a request: retrieval finds the nearest of the allowed items, and lists have only allowed items."""

from typing import Any

import faiss
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store.item_attributes import ItemAttributes
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.filters import CONTRADICTED, FILTERS, MOST_BYTES, Filters, filter_texts, with_numbers
from rec_assets.serving.runner import run
from rec_assets.serving.stages import Stage, allowed, filtered
from rec_assets.serving.stages.allowed import allowed_items
from rec_assets.serving.stages.catalog import CatalogWithBrands
from rec_assets.serving.stages.filtered import Restriction, kept_by_filter
from rec_assets.serving.stages.retrieval import Retrieval
from rec_assets.serving.tables.item_features import RawItemFeatures
from rec_assets.settings import Settings
from rec_assets_tests.serving.stages.test_retrieval import inputs_with, queries

NOON = 1_741_608_000
ITEMS = st.lists(st.integers(4, 165), max_size=60)
CATEGORIES = st.lists(st.integers(-1, 9), max_size=5)
PRICES = st.none() | st.floats(0, 60)


def in_order(ends: tuple[float | None, float | None]) -> bool:
    low, high = ends
    return low is None or high is None or low <= high


def possible(ends: tuple[float | None, float | None], **parts: list[int]) -> Filters[int]:
    """Returns a filter, without the lists that would exclude all items."""
    for name in CONTRADICTED:
        if set(parts[name]) <= set(parts[f"not_{name}"]):
            parts[f"not_{name}"] = []
    only = {name: parts[name] or None for name in CONTRADICTED}
    return with_numbers(min_price=ends[0], max_price=ends[1], **{**parts, **only})


FILTER = st.builds(
    possible,
    st.tuples(PRICES, PRICES).filter(in_order),
    items=ITEMS,
    not_items=ITEMS,
    category_l1=CATEGORIES,
    not_category_l1=CATEGORIES,
    category_l2=CATEGORIES,
    not_category_l2=CATEGORIES,
    brand=CATEGORIES,
    not_brand=CATEGORIES,
)


def allows(filters: Filters[int], item: dict[str, Any]) -> bool:
    """Says whether a filter allows a row of the catalog, one part after the other."""
    price = float(np.float32(item["price"]))
    return bool(
        (filters.items is None or item["item_id"] in filters.items)
        and item["item_id"] not in filters.not_items
        and (filters.category_l1 is None or item["category_l1"] in filters.category_l1)
        and item["category_l1"] not in filters.not_category_l1
        and (filters.category_l2 is None or item["category_l2"] in filters.category_l2)
        and item["category_l2"] not in filters.not_category_l2
        and (filters.brand is None or item["brand"] in filters.brand)
        and item["brand"] not in filters.not_brand
        and (filters.min_price is None or price >= np.float32(filters.min_price))
        and (filters.max_price is None or price <= np.float32(filters.max_price))
    )


@given(FILTER)
def test_a_filter_allows_items_that_satisfy_all_its_parts(tiny_bundle: Bundle, filters: Filters[int]) -> None:
    catalog = tiny_bundle.catalog().with_columns(brand=pl.col("item_id") % 7 - 1).sort("item_id")
    brands = CatalogWithBrands(lambda: RawItemFeatures.of(tiny_bundle), lambda: ItemAttributes.of(catalog))
    assert filters == Filters[int].model_validate_json(filters.text() or "{}")
    expected = [allows(filters, item) for item in catalog.iter_rows(named=True)]
    assert allowed_items(filters, brands()).tolist() == expected


@settings(max_examples=40, deadline=None)
@given(FILTER, st.booleans())
def test_retrieval_equals_an_exact_search_of_the_allowed_items(
    tiny_bundle: Bundle, filters: Filters[int], new: bool
) -> None:
    filters = filters.model_copy(update={"new_to_user": new})
    history = [10, 11, 11, 20]
    inputs = inputs_with(2, history) | {FILTERS: np.array([filters.text(), ""], np.object_)}
    stage: Stage = Retrieval.of(tiny_bundle, Settings(retrieval_topk=50), {**signals(tiny_bundle)})
    made = stage(inputs)
    first, second = np.split(made["item_id"], made["row_splits"][1:-1])
    catalog = tiny_bundle.catalog().with_columns(brand=-1)
    allowed = {i["item_id"] for i in catalog.iter_rows(named=True) if allows(filters, i)}
    own = set(tiny_bundle.lookups.decode("item_id", [10, 11, 20]).tolist())
    assert set(first.tolist()) == (allowed - own if new and filters.text() else allowed)
    # The other request of the batch has no filter.
    alone = stage({name: values[1:] for name, values in inputs.items() if name != FILTERS})
    np.testing.assert_array_equal(second, alone["item_id"])
    index = faiss.read_index(str(tiny_bundle.file("item_index")))
    scores = [float(index.reconstruct(int(item)) @ queries(2)[0]) for item in first]
    np.testing.assert_allclose(made["retrieval_score"][: len(first)], scores, rtol=1e-4, atol=1e-4)


def signals(bundle: Bundle) -> dict[str, Any]:
    from rec_assets.serving.tables.memory_mapped import signal_tables

    return dict(signal_tables(bundle))


def test_an_inverted_index_finds_the_nearest_of_many_allowed_items(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filtered, "EXACT_UP_TO", 5)
    tables, lookups, catalog = signals(tiny_bundle), tiny_bundle.lookups, RawItemFeatures.of(tiny_bundle)
    sources = Retrieval.of(tiny_bundle, Settings(), tables)._sources
    inverted = faiss.index_factory(64, "IVF4,Flat", faiss.METRIC_INNER_PRODUCT)
    inverted.train(sources.vectors[3:])
    inverted.add_with_ids(sources.vectors[3:], lookups.decode("item_id", np.arange(3, 53)).astype(np.int64))
    faiss.extract_index_ivf(inverted).nprobe = 2
    half = Filters[int](category_l1=[0, 1])
    restriction = Restriction(sources, tables["popularity_week"], inverted, lookups)
    parts = kept_by_filter(restriction, lambda: catalog, lookups)(half.text())
    assert parts.vectors == 0  # no copy of the vectors for an exact search
    members = np.sort(lookups.encode("item_id", catalog.item_ids[allowed_items(half, catalog)]))
    found = parts.sources.search(queries(4), 6)
    # Half of the items are allowed, so all four lists are read in place of two.
    exact = filtered.exact_search(members, sources.vectors)(queries(4), 6)
    assert [set(row) for row in found.tolist()] == [set(row) for row in exact.tolist()]


def test_a_changed_price_counts_at_once_and_few_filters_are_kept(
    tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(allowed, "MOST_FILTERS", 2)
    tables = [RawItemFeatures.of(tiny_bundle)]
    stage = Retrieval.of(tiny_bundle, Settings(), signals(tiny_bundle), lambda: tables[-1])
    cheap = Filters[int](max_price=7.0).text()

    def listed() -> list[int]:
        return sorted(stage(inputs_with(1) | {FILTERS: np.array([cheap], np.object_)})["item_id"].tolist())

    assert listed() == [10, 13, 16]
    columns = {name: values.copy() for name, values in tables[0].columns.items()}
    columns["price"][0], columns["price"][4] = 100, 1
    tables.append(RawItemFeatures(tables[0].item_ids, columns))
    assert listed() == [13, 16, 22]
    for least in range(5):
        stage(inputs_with(1) | {FILTERS: np.array([Filters[int](min_price=least).text()], np.object_)})
    assert len(stage._filtered) == 2  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters[int](category_l1=[2]), pl.col("category_l1") == 2),
        (Filters[int](not_category_l2=[0, 1, 2], max_price=30), (pl.col("category_l2") > 2) & (pl.col("price") <= 30)),
        (Filters[int](items=[10, 13, 999]), pl.col("item_id") <= 13),
        (Filters[int](items=[999_999]), pl.lit(False)),
    ],
)
def test_a_list_is_filled_with_allowed_items_only(
    stages_alone: dict[str, Stage], tiny_bundle: Bundle, filters: Filters[int], expected: pl.Expr
) -> None:
    """The lists of this server have 10 items. The other user of the batch has no filter."""
    made = run(stages_alone, {"user_id": [5, 7], "timestamp": [NOON] * 2, FILTERS: [filters.text(), ""]})
    allowed = set(tiny_bundle.catalog().filter(expected)["item_id"].to_list())
    first, second = np.split(made["ordered_ids"], made["row_splits"][1:-1])
    assert len(first) == min(10, len(allowed)) and set(first.tolist()) <= allowed
    alone = run(stages_alone, {"user_id": [7], "timestamp": [NOON]})
    np.testing.assert_array_equal(second, alone["ordered_ids"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([b"{"], "filters: Invalid JSON"),
        ([b'{"items": ["10"]}'], "filters.items.0: Input should be a valid integer"),
        ([b'{"items": [2147483648]}'], "filters.items.0: Input should be less than 2147483648"),
        ([b'{"items": [1180591620717411303424]}'], "filters.items.0: Input should be less than 2147483648"),
        ([b'{"items": [true]}'], "filters.items.0: Input should be a valid integer"),
        ([b'{"color": [1]}'], "filters.color: Extra inputs are not permitted"),
        ([b'{"max_price": -1}'], "filters.max_price: Input should be greater than or equal to 0"),
        ([b'{"max_price": 1e400}'], "filters.max_price: Input should be a finite number"),
        ([b'{"items": [' + b"1," * 1000 + b"1]}"], "filters.items: List should have at most 1000 items"),
        ([b"[" * 60_000], "filters: Invalid JSON: recursion limit exceeded"),
        ([b" " * (MOST_BYTES + 1)], "filters must have at most 65536 bytes, not 65537"),
        ([b"\xff\xfe"], "filters must be UTF-8"),
        ([3], "filters must be texts, not int"),
        ([b'{"min_price": 20, "max_price": 10}'], "filters: min_price 20.0 is above max_price 10.0"),
        ([b'{"brand": []}'], "filters.brand: List should have at least 1 item"),
        ([b'{"items": [1], "not_items": [2, 1]}'], "filters: not_items excludes all of items"),
        ([b"", b""], r"filters must have one text per user, not shape \[2\]"),
    ],
)
def test_a_wrong_filter_is_refused(given: list[Any], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        filter_texts(np.array(given, np.object_), 1)


def test_equal_filters_have_equal_texts() -> None:
    given = [
        b' {"max_price": 5,\n"items": null}',
        b'{"not_items": [], "max_price":5.0}',
        b"{}",
        b'{"new_to_user": false}',
    ]
    assert filter_texts(np.array(given, np.object_), 4).tolist() == ['{"max_price":5.0}'] * 2 + [""] * 2


@given(st.binary(max_size=60) | st.text(max_size=60))
def test_any_text_is_a_filter_or_an_error_of_the_request(given: bytes | str) -> None:
    try:
        (text,) = filter_texts([given], 1)
    except RequestError as error:
        assert str(error).startswith(FILTERS)
    else:
        assert not text or Filters[int].model_validate_json(text)
