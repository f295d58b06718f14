import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import redis

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.history import LENGTH
from rec_assets.features.store.unavailable import UnavailableItems
from rec_assets.realtime.stores.user_activity import UserActivityStore
from rec_assets.serving.graph.filters import FILTERS, Filters
from rec_assets.serving.stages.seen import SeenFilter
from rec_assets.serving.tables.memory_mapped import signal_tables
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets_tests.servers import free_port
from rec_assets_tests.waiting import wait_until

# Encoded ids 3, 4, … are items 10, 13, … in the categories 0, 1, 2, 3, 0, …
CANDIDATES: Any = {
    "user_id": np.array([1, 2, 3], np.int32),
    "item_id": np.array([10, 13, 16, 10, 13, 19], np.int32),
    "retrieval_score": np.array([6, 5, 4, 3, 2, 1], np.float32),
    "history_item_id": np.zeros((3, LENGTH), np.int32),
    "row_splits": np.array([0, 3, 5, 6], np.int64),
}
EVERYTHING = list(range(10, 160, 3))


@dataclass
class Shop:
    """A bundle, and the settings of its Valkey."""

    bundle: Bundle
    settings: Settings

    def filtered(self, inputs: Any, ranking_topk: int = 1) -> Any:
        return self.stage(ranking_topk)(inputs)

    def stage(self, ranking_topk: int = 1) -> SeenFilter:
        return SeenFilter.load(self.bundle, self.settings.model_copy(update={"ranking_topk": ranking_topk}))


@pytest.fixture
def shop(tiny_bundle: Bundle, valkey: Settings) -> Shop:
    return Shop(tiny_bundle, valkey)


@pytest.fixture
def by_popularity(tiny_bundle: Bundle) -> list[int]:
    """Returns all items, sorted by popularity of the week."""
    return (10 + 3 * np.argsort(-signal_tables(tiny_bundle)["popularity_week"][3:], kind="stable")).tolist()


def lists(made: Any) -> list[list[int]]:
    return [row.tolist() for row in np.split(made["item_id"], made["row_splits"][1:-1])]


def test_each_user_keeps_their_unseen_items(shop: Shop) -> None:
    history = UserActivityStore.connect(shop.settings)
    history.record(1, [13], 1)
    history.record(2, [10], 1)
    made = shop.filtered(CANDIDATES)
    assert lists(made) == [[10, 16], [13], [19]]
    assert made["retrieval_score"].tolist() == [6, 4, 2, 1]


def test_one_request_needs_no_row_splits(shop: Shop) -> None:
    UserActivityStore.connect(shop.settings).record(1, [13], 1)
    one: Any = {"user_id": np.array([1], np.int32), "item_id": np.array([10, 13], np.int32)}
    one |= {"retrieval_score": np.array([2, 1], np.float32), "history_item_id": np.zeros((1, LENGTH), np.int32)}
    made = shop.filtered(one)
    assert made["item_id"].tolist() == [10]
    assert made["row_splits"].tolist() == [0, 1]


def test_a_short_list_is_refilled_with_popular_items_that_are_neither_seen_nor_candidates(
    shop: Shop, by_popularity: list[int]
) -> None:
    seen = [13, *by_popularity[:5]]
    UserActivityStore.connect(shop.settings).record(1, seen, 1)
    made = lists(shop.filtered(CANDIDATES, ranking_topk=4))
    for refilled, retrieved, removed in zip(made, [[10, 13, 16], [10, 13], [19]], [seen, [], []], strict=True):
        left = [item for item in retrieved if item not in removed]
        popular = [item for item in by_popularity if item not in (*retrieved, *removed)]
        assert refilled == left + popular[: 4 - len(left)]


def test_refill_items_follow_the_retrieved_ones_and_the_users_categories_come_first(
    shop: Shop, by_popularity: list[int]
) -> None:
    history = CANDIDATES["history_item_id"].copy()
    history[2, :2] = [4, 8]  # items 13 and 25, both of category 1
    made = shop.filtered(CANDIDATES | {"history_item_id": history}, ranking_topk=20)
    preferred = [item for item in by_popularity if (item - 10) // 3 % 4 == 1]
    others = [item for item in by_popularity if item not in (*preferred, 19)]
    assert lists(made)[2] == [19, *preferred, *others][:20]
    assert made["retrieval_score"][made["row_splits"][2] :].tolist() == [1] * 20
    assert lists(made)[1][2:] == [item for item in by_popularity if item not in (10, 13)][:18]


def test_a_filtered_list_is_refilled_with_popular_unseen_items_that_the_filter_allows(
    shop: Shop, by_popularity: list[int]
) -> None:
    allowed = [item for item in by_popularity if (item - 10) // 3 % 4 == 1]
    seen = allowed[:2]
    UserActivityStore.connect(shop.settings).record(1, seen, 1)
    history = CANDIDATES["history_item_id"].copy()
    history[1:, 0] = 3 + (allowed[3] - 10) // 3
    style = Filters[int](category_l1=[1])
    new = style.model_copy(update={"new_to_user": True})
    filters = np.array([style.text(), new.text(), Filters[int](items=[19, allowed[3]]).text()], np.object_)
    # Retrieval finds allowed items only.
    one_each = {"item_id": np.array([13, 13, 19], np.int32), "retrieval_score": np.array([5, 2, 1], np.float32)}
    inputs = CANDIDATES | one_each | {"row_splits": np.arange(4), "history_item_id": history, FILTERS: filters}
    made = shop.filtered(inputs, ranking_topk=len(allowed) + 5)
    first, second, third = lists(made)
    left = [13] if 13 not in seen else []
    assert first == left + [item for item in allowed if item not in (*seen, 13)]
    assert second == [13, *(item for item in allowed if item not in (allowed[3], 13))]
    assert third == [19, allowed[3]]
    scores = np.split(made["retrieval_score"], made["row_splits"][1:-1])
    assert [set(one.tolist()) for one in scores] == [{5}, {2}, {1}]


def test_only_a_user_who_has_seen_everything_gets_an_empty_list(shop: Shop) -> None:
    history = UserActivityStore.connect(shop.settings)
    history.record(1, EVERYTHING, 1)
    history.record(2, EVERYTHING[:-1], 1)
    assert [len(row) for row in lists(shop.filtered(CANDIDATES, ranking_topk=10))] == [0, 1, 10]


@pytest.mark.parametrize("policy", ["clicked", "nothing"])
def test_an_unavailable_item_leaves_candidates_and_refill_within_seconds(
    shop: Shop, by_popularity: list[int], policy: str
) -> None:
    settings = shop.settings.model_copy(update={"seen_filter": policy})
    stage = Shop(shop.bundle, settings).stage(ranking_topk=4)
    popular = [item for item in by_popularity if item not in (10, 13)]
    assert lists(stage(CANDIDATES))[1] == [10, 13, *popular[:2]]
    unavailable = UnavailableItems(connect(shop.settings))
    unavailable.replace([popular[0], 10])
    wait_until(lambda: lists(stage(CANDIDATES))[1] == [13, *popular[1:4]])
    assert not {10, popular[0]} & set(stage(CANDIDATES)["item_id"].tolist())
    redis.Redis(port=shop.settings.valkey_port).flushall()
    assert lists(stage(CANDIDATES))[1][0] == 13, "a store that lost its data changes nothing"
    unavailable.replace([])
    wait_until(lambda: lists(stage(CANDIDATES))[1] == [10, 13, *popular[:2]])


def test_items_that_the_bundles_catalog_calls_unavailable_are_left_out_without_a_store(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(tiny_bundle.path, tmp_path / "copy"))
    catalog = tiny_bundle.catalog().with_columns(available=pl.col("item_id") != 13)
    catalog.write_parquet(folder / "catalogue" / "items.parquet")
    made = Shop(Bundle.open(folder), Settings(valkey_port=free_port())).filtered(CANDIDATES, ranking_topk=60)
    assert [sorted(row) for row in lists(made)] == [[item for item in EVERYTHING if item != 13]] * 3


def test_a_policy_that_filters_nothing_never_reads_the_store(tiny_bundle: Bundle, valkey: Settings) -> None:
    UserActivityStore.connect(valkey).record(1, [13], 1)
    for settings in (valkey, Settings(valkey_port=free_port())):
        stage = Shop(tiny_bundle, settings.model_copy(update={"seen_filter": "nothing"})).stage()
        assert stage(CANDIDATES)["item_id"].tolist() == CANDIDATES["item_id"].tolist()
        assert stage.guard.missed_calls == 0


def test_all_candidates_pass_while_the_store_is_unavailable(tiny_bundle: Bundle) -> None:
    stage = Shop(tiny_bundle, Settings(valkey_port=free_port())).stage()
    for calls in (1, 2):
        made = stage(CANDIDATES)
        for name in ("item_id", "retrieval_score", "row_splits"):
            np.testing.assert_array_equal(made[name], CANDIDATES[name])
        assert stage.guard.missed_calls == calls


def test_lists_are_refilled_while_the_store_is_unavailable(tiny_bundle: Bundle) -> None:
    made = Shop(tiny_bundle, Settings(valkey_port=free_port())).filtered(CANDIDATES, ranking_topk=50)
    assert [sorted(row) for row in lists(made)] == [EVERYTHING] * 3
