from pathlib import Path

import numpy as np
import polars as pl
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.evaluation.bundles import user_lists
from rec_assets.evaluation.bundles.replay import AS_BUNDLED, PastRequests, answers
from rec_assets.evaluation.bundles.user_lists import LENGTH, lists_of_users
from rec_assets.features.history import InteractionLog
from rec_assets.serving.rules.rules import Rules
from rec_assets.settings import Settings
from rec_assets.sources.shop.codes import ITEM, USER, Codes
from rec_assets_tests.servers import free_port

AT = 1_741_910_400
LOG = InteractionLog.of([1, 1, 2, 2, 2], np.array([60, 30, 90, 60, 30]) * -60 + AT, [10, 13, 16, 16, 40])


@pytest.fixture
def alone(tmp_path: Path) -> Settings:
    """Settings without a reachable Valkey."""
    return Settings(home=tmp_path, valkey_port=free_port())


def users(count: int) -> pl.DataFrame:
    numbers = np.arange(1, count + 1, dtype=np.int32)
    known = numbers % 3 > 0
    return pl.DataFrame(
        {
            "user_id": numbers,
            "age": pl.Series(numbers + 20.0).set(pl.Series(~known), None),
            "gender": np.where(known, numbers % 2, -1),
            "top_category": np.where(known, numbers % 4, -1),
        }
    )


def test_every_user_gets_the_list_of_the_bundle_with_the_ids_of_the_shop(
    tiny_bundle: Bundle, alone: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(user_lists, "USERS_OF_A_PART", 8)
    items = pl.Series([f"sku-{n:03}" for n in range(160)])
    codes = Codes.empty().extended({USER: pl.Series(["ann", "bob"]), ITEM: items})
    parts = list(lists_of_users(tiny_bundle, users(20), LOG, AT, codes, alone, Rules()))
    assert [part["user_id"].n_unique() for part in parts] == [8, 8, 4]
    made = pl.concat(parts)
    assert made["rank"].to_list() == list(range(1, LENGTH + 1)) * 20
    assert made.filter(user_id=1)["user"].unique().to_list() == ["bob"]  # ann is 0
    assert made.filter(user_id=7)["user"].unique().to_list() == ["7"]
    assert made["item"].to_list() == [f"sku-{item:03}" for item in made["item_id"]]
    assert set(made["bundle_id"]) == {tiny_bundle.bundle_id}
    requests = PastRequests.of(users(20).with_columns(device_type=pl.lit(-1), timestamp=pl.lit(AT)))
    expected, _ = answers(tiny_bundle, requests, LOG, AS_BUNDLED, LENGTH, alone)
    np.testing.assert_array_equal(made["item_id"].to_numpy().reshape(20, LENGTH), expected)
    without, _ = answers(tiny_bundle, requests, InteractionLog.of([], np.empty(0), []), AS_BUNDLED, LENGTH, alone)
    assert (without != expected).any(axis=1).nonzero()[0].tolist() == [0, 1]  # only two users have a history


def test_a_shop_without_users_has_no_lists(tiny_bundle: Bundle, alone: Settings) -> None:
    assert list(lists_of_users(tiny_bundle, users(0), LOG, AT, Codes.empty(), alone, Rules())) == []


def test_the_lists_obey_the_rules_of_the_shop(tiny_bundle: Bundle, alone: Settings) -> None:
    rules = Rules[int].model_validate({"block": [{"name": "recall", "items": [10, 13], "category_l1": [2]}]})
    (plain,), (made,) = (
        list(lists_of_users(tiny_bundle, users(20), LOG, AT, Codes.empty(), alone, one)) for one in (Rules(), rules)
    )
    blocked = {10, 13, *tiny_bundle.catalog().filter(category_l1=2)["item_id"]}
    assert blocked & set(plain["item_id"]) and not blocked & set(made["item_id"])
    assert made["rank"].to_list() == list(range(1, LENGTH + 1)) * 20
