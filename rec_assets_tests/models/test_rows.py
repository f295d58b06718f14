from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_assets.models.rows import CONTENT_FEATURES, ITEM_FEATURES, ItemTable, as_columns, build_item_table


@pytest.fixture
def table() -> ItemTable:
    """Raw items 30, 10, 20 with encoded ids 5, 3, 4; item 20 was never chosen."""
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
    return build_item_table(encoded, [30, 10, 20], content, np.array([5, 5, 3], np.int32))


def test_row_i_is_encoded_id_i(table: ItemTable) -> None:
    assert table.raw_ids.tolist() == [-1, -1, -1, 10, 20, 30]
    assert table.features["price_log_norm"].tolist() == [0, 0, 0, -1.0, 0.0, 0.5]
    assert table.at(np.array([5]))["image_embedding"].tolist() == [[0.0, 1.0]]
    assert table.counts.tolist() == [0, 0, 0, 1, 0, 2]


def test_what_is_no_item_has_unknown_categories_and_no_content(table: ItemTable) -> None:
    nobody = table.at(np.array([0, 1, 2]))
    assert nobody["category_l1"].tolist() == [2, 2, 2]
    assert not nobody["text_embedding"].any()


def test_raw_ids_encode_in_any_order_and_shape(table: ItemTable) -> None:
    assert table.encode(np.array([[20, 30], [10, 10]])).tolist() == [[4, 5], [3, 3]]


def test_what_the_catalogue_does_not_hold_encodes_to_padding(table: ItemTable) -> None:
    assert table.encode(np.array([-1, 15, 99])).tolist() == [0, 0, 0]


def test_a_saved_table_reads_back(table: ItemTable, tmp_path: Path) -> None:
    table.save(tmp_path / "items.npz")
    again = ItemTable.load(tmp_path / "items.npz")
    assert again.raw_ids.tolist() == table.raw_ids.tolist()
    assert {name: array.tolist() for name, array in again.features.items()} == {
        name: array.tolist() for name, array in table.features.items()
    }


def test_scalars_become_columns_and_vectors_stay() -> None:
    columns = as_columns({"a": np.zeros(3, np.int32), "b": np.zeros((3, 4), np.float32)})
    assert {name: array.shape for name, array in columns.items()} == {"a": (3, 1), "b": (3, 4)}
