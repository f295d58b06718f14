from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_assets.datasets.item_table import ItemTable, build_item_table
from rec_assets.datasets.rows import as_columns
from rec_assets.features.columns import CONTENT_FEATURES, ITEM_FEATURES
from rec_assets.features.history import InteractionLog

# Day 100: item 5 twice and item 3; day 102: item 4.
LOG = InteractionLog.of([1, 2, 1, 1], np.array([100, 100, 100, 102]) * 86_400, [5, 5, 3, 4])
FIRST_DAYS = pl.Series([None, None, date(1970, 4, 13)], dtype=pl.Date)  # the last item is new on day 102


@pytest.fixture
def table() -> ItemTable:
    """Raw items 30, 10, 20 with encoded ids 5, 3, 4; item 20 has no training row."""
    encoded = pl.DataFrame(
        {
            "item_id": [5, 3, 4],
            "category_l1": [4, 3, 3],
            "category_l2": [5, 3, 4],
            "item_gender": [3, 2, 3],
            "price_log_norm": [0.5, -1.0, 0.0],
        },
        schema_overrides={name: pl.Int32 for name in ITEM_FEATURES[:4]} | {"price_log_norm": pl.Float32},
    )
    content = {name: np.arange(6, dtype=np.float32).reshape(3, 2) for name in CONTENT_FEATURES}
    return build_item_table(encoded, [30, 10, 20], FIRST_DAYS, content, np.array([5, 5, 3], np.int32), LOG)


def test_row_i_is_encoded_id_i(table: ItemTable) -> None:
    assert table.raw_ids.tolist() == [-1, -1, -1, 10, 20, 30]
    assert table.features["price_log_norm"].tolist() == [0, 0, 0, -1.0, 0.0, 0.5]
    assert table.at(np.array([5]))["image_embedding"].tolist() == [[0.0, 1.0]]
    assert table.counts.tolist() == [0, 0, 0, 1, 0, 2]


def test_what_is_no_item_has_unknown_categories_and_no_content(table: ItemTable) -> None:
    reserved = table.at(np.array([0, 1, 2]))
    assert reserved["category_l1"].tolist() == [2, 2, 2]
    assert not reserved["text_embedding"].any()


def test_raw_ids_encode_in_any_order_and_shape(table: ItemTable) -> None:
    assert table.encode(np.array([[20, 30], [10, 10]])).tolist() == [[4, 5], [3, 3]]


def test_what_the_catalog_does_not_hold_encodes_to_padding(table: ItemTable) -> None:
    assert table.encode(np.array([-1, 15, 99])).tolist() == [0, 0, 0]


def test_an_item_is_on_sale_from_its_first_day_on(table: ItemTable) -> None:
    found = table.on_sale(np.array([[3, 4, 5]] * 2), np.array([101, 102]) * 86_400)
    assert found.tolist() == [[True, False, True], [True, True, True]]


def test_only_an_item_with_a_known_first_day_has_one(table: ItemTable) -> None:
    found = table.on_first_day(np.array([[3, 4, 5]] * 3), np.array([101, 102, 103]) * 86_400)
    assert found.tolist() == [[False] * 3, [False, True, False], [False] * 3]


def test_a_saved_table_reads_back(table: ItemTable, tmp_path: Path) -> None:
    table.save(tmp_path / "items.npz")
    again = ItemTable.load(tmp_path / "items.npz")
    assert again.raw_ids.tolist() == table.raw_ids.tolist()
    assert {name: array.tolist() for name, array in again.features.items()} == {
        name: array.tolist() for name, array in table.features.items()
    }
    assert {name: array.tolist() for name, array in again.signals.values.items()} == {
        name: array.tolist() for name, array in table.signals.values.items()
    }
    assert again.signals.days.tolist() == table.signals.days.tolist()
    assert again.facts.share_l2.tolist() == table.facts.share_l2.tolist()
    assert again.facts.categories.l2.tolist() == table.facts.categories.l2.tolist()


def test_scalars_become_columns_and_vectors_stay() -> None:
    columns = as_columns({"a": np.zeros(3, np.int32), "b": np.zeros((3, 4), np.float32)})
    assert {name: array.shape for name, array in columns.items()} == {"a": (3, 1), "b": (3, 4)}


def test_popularity_counts_the_days_before_the_day(table: ItemTable) -> None:
    def week(item: int, day: int) -> float:
        popularity = table.signals.at(np.array([item]), np.array([day * 86_400 + 3600]))
        return float(np.expm1(popularity["popularity_week"][0]))

    # Each item is alone in its level-2 category. Day 100 has no earlier day; day 101 has one, with two interactions.
    assert week(5, 100) == 0
    assert week(5, 101) == pytest.approx(14)
    assert week(5, 109) == pytest.approx(week(5, 103))  # days after the last day of the table use the last day
    assert week(4, 102) == 0
    assert week(4, 103) == pytest.approx(7)


def test_ids_without_training_rows_become_unknown(table: ItemTable) -> None:
    assert table.trained_ids(np.array([0, 3, 4, 5])).tolist() == [0, 3, 2, 5]
