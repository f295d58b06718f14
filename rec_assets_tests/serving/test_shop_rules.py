"""Rules of a shop: their versions, and the lists of a running server that follow them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli import app
from rec_assets.common.errors import ActionableError
from rec_assets.features.store import online
from rec_assets.features.store.item_attributes import ItemAttributes, StoredItemAttributes
from rec_assets.realtime.stores.trending import Trending
from rec_assets.serving.client import Client
from rec_assets.serving.graph.filters import FILTERS, Filters
from rec_assets.serving.rule_versions import ShopRules
from rec_assets.serving.rules.rules import Rules
from rec_assets.serving.rules.store import CurrentRules
from rec_assets.serving.runner import load_stages, run
from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.followed.rules import FollowedRules, item_groups
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets_tests.codes import publish_codes
from rec_assets_tests.servers import free_port
from rec_assets_tests.serving.synthetic import write_features
from rec_assets_tests.waiting import wait_until

NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)
USERS = (-1, 3, 5, 7)
BLOCK = '[[block]]\nname = "gone"\nitems = [{}]\n'


def lists(settings: Settings, model: str = RECOMMENDER) -> list[list[tuple[int, float]]]:
    client = Client(settings, model)
    return [[(item, round(score, 4)) for item, score in client.recommend(user, "mobile", NOON)] for user in USERS]


def items(answers: list[list[tuple[int, float]]]) -> list[list[int]]:
    return [[item for item, _ in one] for one in answers]


def follow(settings: Settings, model: str, pinned: int, blocked: int) -> bool:
    """Returns whether lists follow both rules: stages that are processes of their own read them at different times."""
    return all(one[1] == pinned and blocked not in one for one in items(lists(settings, model)))


def are_lists(settings: Settings, model: str, expected: list[list[tuple[int, float]]]) -> bool:
    return lists(settings, model) == expected


@pytest.fixture
def published(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """Settings of the shop, for commands too; without rules afterwards."""
    monkeypatch.setattr("rec_assets.settings.get_settings", lambda: shop)
    yield shop
    CurrentRules(connect(shop)).replace(Rules())


def command(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["rules", *arguments])
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.slow
def test_lists_of_both_topologies_follow_the_rules_and_undo_brings_them_back(
    published: Settings, shop_bundle: Bundle, tmp_path: Path
) -> None:
    before = lists(published)
    shown = items(before)
    blocked, boosted = shown[0][0], shown[1][5]
    pinned = next(item for item in shop_bundle.catalog()["item_id"] if all(item not in one for one in shown))
    file = tmp_path / "rules.toml"
    file.write_text(
        f'{BLOCK.format(blocked)}[[pin]]\nname = "hero"\nitem = {pinned}\nposition = 2\n'
        f'[[boost]]\nname = "spring"\nfactor = 50.0\nitems = [{boosted}]\n'
        '[[cap]]\nname = "variety"\nat_most = 3\neach = "category_l1"\n'
    )
    assert "4 rules" in command("check", str(file))
    command("set", str(file))
    wait_until(lambda: lists(published) != before)
    categories = dict(shop_bundle.catalog().select("item_id", "category_l1").iter_rows())
    for model in (RECOMMENDER, ENSEMBLE):
        wait_until(partial(follow, published, model, pinned, blocked))
        for one in items(lists(published, model)):
            assert blocked not in one and len(one) == 10
            assert np.bincount([categories[item] for item in one]).max() <= 3
    wait_until(lambda: items(lists(published))[1][0] == boosted)
    wait_until(lambda: lists(published, ENSEMBLE) == lists(published))
    assert f"item = {pinned}" in command("show")
    command("undo")
    for model in (RECOMMENDER, ENSEMBLE):
        wait_until(partial(are_lists, published, model, before))
    similar = Client(published).similar(10, 3).item_ids.tolist()
    file.write_text(BLOCK.format(similar[0]))
    command("set", str(file))
    wait_until(lambda: Client(published).similar(10, 2).item_ids.tolist() == similar[1:])
    command("clear")
    wait_until(lambda: Client(published).similar(10, 3).item_ids.tolist() == similar)


def test_undo_goes_back_version_by_version_and_the_history_keeps_all(valkey: Settings, tmp_path: Path) -> None:
    shop = ShopRules(valkey.model_copy(update={"home": tmp_path}))
    with pytest.raises(ActionableError, match="no earlier rules"):
        shop.undo("owner")
    for item in (10, 13, 16):
        shop.publish(BLOCK.format(item), "owner")
    store = CurrentRules(connect(valkey))
    blocked = []
    for _ in range(3):
        shop.undo("other")
        blocked.append([item for rule in store.rules().block for item in rule.items])
    assert blocked == [[13], [10], []]
    versions = shop.versions().versions
    assert [(one.number, one.by) for one in versions] == [(n, "owner" if n < 4 else "other") for n in range(1, 7)]
    assert [one.text for one in versions[:3]] == [BLOCK.format(item) for item in (10, 13, 16)]
    with pytest.raises(ActionableError, match="no earlier rules"):
        shop.undo("owner")


def test_rules_that_valkey_missed_are_kept_and_can_be_applied(valkey: Settings, tmp_path: Path) -> None:
    away = ShopRules(valkey.model_copy(update={"home": tmp_path, "valkey_port": free_port()}))
    with pytest.raises(ActionableError, match=r"kept, but not applied.*\n.*rec rules apply"):
        away.publish(BLOCK.format(10), "owner")
    shop = ShopRules(valkey.model_copy(update={"home": tmp_path}))
    assert shop.apply().number == 1
    assert CurrentRules(connect(valkey)).rules().block[0].items == [10]


def test_a_file_has_the_ids_and_names_of_the_shop(valkey: Settings, tmp_path: Path) -> None:
    settings = valkey.model_copy(update={"home": tmp_path})
    publish_codes(settings, {"item": ["sku-a", "sku-b", "17"], "category_l1": ["Garden", "Toys"], "brand": ["Acme"]})
    shop = ShopRules(settings)
    found = shop.check('[[block]]\nname = "a"\nitems = ["sku-b", 17]\ncategory_l1 = ["Toys"]\nbrand = ["Acme"]')
    assert (found.block[0].items, found.block[0].category_l1, found.block[0].brand) == ([2, 0], [1], [0])
    with pytest.raises(ActionableError, match=r"rule 'a' \(block\): brand has no \"Acne\""):
        shop.check('[[block]]\nname = "a"\nbrand = ["Acne"]')
    message = r"rule 'b' \(block\): category_l2 has no \"Fun\".*\n.*rule 'a' \(pin\): item has no \"sku-c\""
    text = '[[pin]]\nname = "a"\nitem = "sku-c"\nposition = 1\n[[block]]\nname = "b"\ncategory_l2 = ["Fun"]'
    with pytest.raises(ActionableError, match=message):
        shop.check(text)


def test_a_rule_begins_and_ends_without_a_new_version(tiny_bundle: Bundle) -> None:
    clock = [datetime(2025, 3, 1, tzinfo=UTC)]
    rules = Rules[int].model_validate_json(
        '{"block": [{"name": "a", "items": [10], "from": "2025-03-02T00:00:00Z", "until": "2025-03-03T00:00:00Z"}]}'
    )
    copy = FollowedRules(
        lambda _: item_groups(tiny_bundle), lambda: b"1", lambda: rules, StoreGuard("", ""), lambda: clock[0]
    )
    seen = []
    for day in (1, 2, 3):
        clock[0] = datetime(2025, 3, day, tzinfo=UTC)
        copy.refresh()
        seen.append(copy() is not None)
    assert seen == [False, True, False]


def test_without_rules_the_answer_is_the_same_to_the_byte(valkey: Settings, tiny_bundle: Bundle) -> None:
    settings = valkey.model_copy(update={"ranking_topk": 10})
    request = {"user_id": [-1, 3, 5], "timestamp": [int(NOON.timestamp())] * 3, "diversity": [0, 1, 1]}
    never = run(load_stages(tiny_bundle, settings, lambda: None), request)
    CurrentRules(connect(valkey)).replace(Rules())
    cleared = run(load_stages(tiny_bundle, settings), request)
    assert {name: values.tolist() for name, values in cleared.items()} == {
        name: values.tolist() for name, values in never.items()
    }


def test_rules_of_brands_and_stocks_follow_the_catalog_without_a_new_version(
    valkey: Settings, tiny_bundle: Bundle
) -> None:
    settings = valkey.model_copy(update={"ranking_topk": 10})
    catalog, store = tiny_bundle.catalog(), StoredItemAttributes(connect(valkey))
    catalog = catalog.with_columns(brand=pl.col("item_id") % 4, stock=pl.lit(100, pl.Float32))
    store.replace(ItemAttributes.of(catalog))
    weigh = {"name": "stock", "by": "stock", "values": [0, 10], "factors": [0, 1]}
    rules = {"block": [{"name": "gone", "brand": [1]}], "weigh": [weigh]}
    CurrentRules(connect(valkey)).replace(Rules[int].model_validate(rules))
    stages, request = load_stages(tiny_bundle, settings), {"user_id": [3], "timestamp": [int(NOON.timestamp())]}

    def listed(filters: str = "") -> list[int]:
        return run(stages, request | {FILTERS: [filters]})["ordered_ids"].tolist()

    first = listed()
    assert {item % 4 for item in first} == {0, 2, 3}
    of_two = listed(Filters[int](brand=[1, 2]).text())
    assert of_two == [item for item in listed(Filters[int](brand=[2]).text()) if item % 4 == 2]
    # The best item is sold out and thus the last one, and the next one changes its brand.
    sold_out, moved = first[:2]
    stock, brand = ((pl.col("item_id") == item) for item in (sold_out, moved))
    store.replace(
        ItemAttributes.of(
            catalog.with_columns(
                stock=pl.when(stock).then(0).otherwise("stock").cast(pl.Float32),
                brand=pl.when(brand).then(1).otherwise("brand"),
            )
        )
    )
    wait_until(lambda: not {sold_out, moved} & set(listed()))
    assert moved not in listed(Filters[int](brand=[1, moved % 4]).text())


def test_trending_leaves_out_blocked_items_and_fills_up(valkey: Settings, tiny_bundle: Bundle, tmp_path: Path) -> None:
    settings = valkey.model_copy(update={"home": tmp_path})
    catalog, client = tiny_bundle.catalog(), Client(settings)
    online.apply(settings, *write_features(tiny_bundle, tmp_path, NOON, pl.col("price")))
    online.materialize(settings, NOON - timedelta(days=1), NOON)
    brands = catalog.with_columns(brand=pl.col("item_id") % 4)
    StoredItemAttributes(connect(settings)).replace(ItemAttributes.of(brands))
    Trending.connect(settings).replace(catalog.with_columns(interactions=pl.col("item_id")))
    everything = [item for item, _ in client.trending(60)]
    assert len(everything) == catalog.height
    block = {"name": "a", "items": [everything[0]], "category_l1": [2], "brand": [3]}
    CurrentRules(connect(settings)).replace(Rules[int].model_validate({"block": [block]}))
    gone = {everything[0], *brands.filter((pl.col("category_l1") == 2) | (pl.col("brand") == 3))["item_id"]}
    assert [item for item, _ in client.trending(5)] == [item for item in everything if item not in gone][:5]
    CurrentRules(connect(settings)).replace(Rules())
    assert [item for item, _ in client.trending(60)] == everything


def test_a_blocked_category_leaves_full_lists_and_their_fill_up(valkey: Settings, tiny_bundle: Bundle) -> None:
    settings = valkey.model_copy(update={"ranking_topk": 10, "retrieval_topk": 12})
    CurrentRules(connect(valkey)).replace(
        Rules[int].model_validate_json('{"block": [{"name": "a", "category_l1": [0, 1]}]}')
    )
    made = run(
        load_stages(tiny_bundle, settings), {"user_id": USERS, "timestamp": [int(NOON.timestamp())] * len(USERS)}
    )
    categories = dict(tiny_bundle.catalog().select("item_id", "category_l1").iter_rows())
    assert np.diff(made["row_splits"]).tolist() == [10] * len(USERS)
    assert {categories[item] for item in made["ordered_ids"].tolist()} == {2, 3}
