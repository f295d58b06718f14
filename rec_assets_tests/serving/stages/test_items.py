import gc
import itertools
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
import redis

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.features.store import online
from rec_assets.features.store.views import ITEM_FEATURES
from rec_assets.serving.graph.tensors import NvtItemTransformInputs
from rec_assets.serving.runner import load_stages
from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.items import ContentLookup, ItemLookup, ItemTransform
from rec_assets.serving.tables.item_features import RawItemFeatures
from rec_assets.serving.tables.memory_mapped import CONTENT, write_tables
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port
from rec_assets_tests.waiting import wait_until

DAY = datetime(2025, 3, 14, tzinfo=UTC)
Publish = Callable[[float], None]


def test_without_a_store_features_are_those_of_the_bundles_catalog(tiny_bundle: Bundle, tmp_path: Path) -> None:
    stage = ItemLookup.load(tiny_bundle, Settings(home=tmp_path, valkey_port=free_port()))
    assert stage.guard.missed_calls >= 1
    made = stage({"item_id": np.array([13, 10, 11, 157, 9999], np.int32)})
    assert made["item_id"].tolist() == [13, 10, 11, 157, 9999]
    assert made["category_l1"].tolist() == [1, 0, -1, 1, -1]
    np.testing.assert_array_equal(made["price"], np.array([6, 5, np.nan, 54, np.nan], np.float32))


@pytest.fixture
def publish(tiny_bundle: Bundle, valkey: Settings, tmp_path: Path) -> Iterator[Publish]:
    """Returns a function that writes scaled prices of the first items to the online store, one day later per call."""
    days = itertools.count(1)

    def write(factor: float) -> None:
        at = DAY + timedelta(days=next(days))
        moment = pl.lit(at, pl.Datetime("us", "UTC"))
        items = tiny_bundle.catalog().filter(pl.col("item_id") < 20).drop("title").with_columns(event_timestamp=moment)
        items.with_columns(price=pl.col("price") * factor).write_parquet(tmp_path / "items.parquet")
        users = pl.DataFrame({"user_id": [1], "age": [30], "gender": [0], "top_category": [1]}).cast(pl.Int32)
        users.with_columns(event_timestamp=moment).write_parquet(tmp_path / "users.parquet")
        online.apply(valkey, tmp_path / "users.parquet", tmp_path / "items.parquet")
        online.materialize(valkey, at - timedelta(days=1), at)

    yield write


def prices(stage: ItemLookup) -> list[float]:
    return stage({"item_id": np.array([10, 13, 157], np.int32)})["price"].tolist()


def test_the_online_store_wins_where_it_has_the_item(tiny_bundle: Bundle, valkey: Settings, publish: Publish) -> None:
    publish(2.0)
    stage = ItemLookup.load(tiny_bundle, valkey)
    made = stage({"item_id": np.array([10, 13, 157], np.int32)})
    assert made["price"].tolist() == [10, 12, 54]
    assert made["category_l2"].tolist() == [0, 1, 1]
    assert stage.guard.missed_calls == 0


def test_a_later_write_is_read_once_and_automatically(tiny_bundle: Bundle, valkey: Settings, publish: Publish) -> None:
    stage = ItemLookup.load(tiny_bundle, valkey)
    assert prices(stage) == [5, 6, 54]
    publish(3.0)
    wait_until(lambda: prices(stage)[0] != 5)
    assert prices(stage) == [15, 18, 54]
    assert not stage.refresh(), "there was no further write"


def test_a_store_that_lost_its_data_leaves_the_table_until_it_is_filled_again(
    tiny_bundle: Bundle, valkey: Settings, publish: Publish
) -> None:
    publish(2.0)
    stage = ItemLookup.load(tiny_bundle, valkey)
    redis.Redis(port=valkey.valkey_port).flushall()
    assert not stage.refresh()
    assert prices(stage) == [10, 12, 54]
    publish(4.0)
    stage.refresh()
    assert prices(stage) == [20, 24, 54]


def test_a_read_that_fails_in_the_middle_leaves_the_table_and_is_retried(tiny_bundle: Bundle) -> None:
    table, reads = RawItemFeatures.of(tiny_bundle), 0

    def read(items: npt.NDArray[np.int32]) -> online.OnlineRows:
        nonlocal reads
        reads += 1
        if reads == 1:
            raise OSError("gone")
        rows = online.OnlineRows.missing(len(items), ITEM_FEATURES)
        return online.OnlineRows(items == 10, rows.columns | {"price": np.full(len(items), 1, np.float32)})

    stage = ItemLookup(table, lambda: b"1", read, StoreGuard("item_features", "The store is unavailable"))
    assert not stage.refresh()
    assert (prices(stage), stage.guard.missed_calls) == ([5, 6, 54], 2), "an answer without the store counts"
    assert stage.refresh()
    assert (prices(stage), stage.guard.missed_calls) == ([1, 6, 54], 2)


def test_a_stage_without_references_is_no_longer_refreshed(tiny_bundle: Bundle, valkey: Settings) -> None:
    stage = ItemLookup.load(tiny_bundle, valkey)
    held = weakref.ref(stage)
    del stage
    assert wait_until(lambda: held() is None)


def test_unloaded_stages_read_no_store_even_before_a_garbage_collection(tiny_bundle: Bundle, valkey: Settings) -> None:
    gc.disable()
    try:
        stages = load_stages(tiny_bundle, valkey)
        held = [weakref.ref(stage) for stage in stages.values()]
        stages.clear()
        wait_until(lambda: all(one() is None for one in held))
    finally:
        gc.enable()


def test_features_are_encoded_and_unknown_items_are_out_of_vocabulary(tiny_bundle: Bundle) -> None:
    raw: NvtItemTransformInputs = {
        "item_id": np.array([10, 9999], np.int32),
        "category_l1": np.array([0, -1], np.int32),
        "category_l2": np.array([7, -1], np.int32),
        "item_gender": np.array([2, -1], np.int32),
        "price": np.array([np.expm1(3.5), np.nan], np.float32),
    }
    made = ItemTransform(tiny_bundle.lookups)(raw)
    assert made["item_id"].tolist() == [3, 2]
    assert made["category_l1"].tolist() == [3, 2]
    assert made["category_l2"].tolist() == [10, 2]
    assert made["item_gender"].tolist() == [5, 2]
    np.testing.assert_allclose(made["price_log_norm"], [1, 0], atol=1e-6)


def test_content_vectors_are_looked_up_by_encoded_id(tiny_bundle: Bundle) -> None:
    made = ContentLookup.load(tiny_bundle, Settings())({"item_id": np.array([52, 2, 3], np.int32)})
    rows = np.load(tiny_bundle.file("multimodal"))[[52, 2, 3]]
    np.testing.assert_array_equal(made["image_embedding"], rows["image"])
    np.testing.assert_array_equal(made["text_embedding"], rows["text"])


def test_content_of_another_workflow_is_refused(copy: Path) -> None:
    short = np.zeros((40, 64), np.float32)
    write_tables(copy / "multimodal" / "embeddings.npy", CONTENT, {"image": short, "text": short})
    with pytest.raises(ActionableError, match=r"\(40, 64\).*need \(53, 64\).*\n.*different workflows"):
        ContentLookup.load(Bundle.open(copy), Settings())
