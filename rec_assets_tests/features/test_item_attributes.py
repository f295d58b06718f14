"""Brands, margins and stocks of items, from raw items to Valkey and back."""

from pathlib import Path

import numpy as np
import polars as pl

from rec_assets.features.store.item_attributes import NO_ATTRIBUTES, ItemAttributes, StoredItemAttributes
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect

ITEMS = pl.DataFrame(
    {"item_id": [30, 10, 20], "title": ["c", "a", "b"], "brand": [1, -1, 0], "stock": [None, 2.0, 5.0]},
    schema_overrides={"item_id": pl.Int32, "brand": pl.Int32, "stock": pl.Float32},
)


def rows(attributes: ItemAttributes) -> list[tuple[int, int, float, float]]:
    columns = (attributes.item_ids, attributes.brand, attributes.margin, attributes.stock)
    return list(zip(*(np.nan_to_num(column, nan=-9).tolist() for column in columns), strict=True))


def test_columns_that_raw_items_lack_are_unknown(tmp_path: Path) -> None:
    file = tmp_path / "items.parquet"
    ITEMS.write_parquet(file)
    assert rows(ItemAttributes.read(file)) == [(10, -1, -9, 2), (20, 0, -9, 5), (30, 1, -9, -9)]
    ITEMS.drop("brand", "stock").write_parquet(file)
    assert rows(ItemAttributes.read(file)) == []


def test_the_store_returns_what_it_was_given_and_other_items_have_none(valkey: Settings) -> None:
    store = StoredItemAttributes(connect(valkey))
    assert store.version() is None and rows(store.attributes()) == []
    given = ItemAttributes.of(ITEMS)
    store.replace(given)
    version = store.version()
    assert rows(store.attributes()) == rows(given)
    wanted = np.array([5, 10, 25, 30, 99], np.int32)
    found = rows(store.attributes().at(wanted))
    assert found == [(5, -1, -9, -9), (10, -1, -9, 2), (25, -1, -9, -9), (30, 1, -9, -9), (99, -1, -9, -9)]
    assert rows(NO_ATTRIBUTES.at(wanted)) == [(item, -1, -9, -9) for item in wanted.tolist()]
    store.replace(ItemAttributes.of(ITEMS.with_columns(stock=pl.lit(1, pl.Float32))))
    assert store.version() != version and store.attributes().stock.tolist() == [1, 1, 1]
