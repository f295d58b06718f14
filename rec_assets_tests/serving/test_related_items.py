"""Tests of the lists around a basket on a running server, and of their request."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli import app
from rec_assets.common.units import DAY_SECONDS as DAY
from rec_assets.datasets.related.again import AGAIN, BuyAgain
from rec_assets.datasets.related.tables import COMPLEMENT, KINDS, SIMILAR, TOGETHER, RelatedItems
from rec_assets.features.store.unavailable import UnavailableItems
from rec_assets.realtime.recent_items import RecentItems
from rec_assets.serving.client import Client
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.related_request import LISTS, MAX_BASKET, validate_related
from rec_assets.serving.stages import Stage, again, load_stage
from rec_assets.serving.tables.memory_mapped import related_tables
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect_for_requests
from rec_assets_tests.servers import free_port

AT = LISTS.index(AGAIN)


def expected(bundle: Bundle, kind: str, basket: list[int]) -> list[int]:
    """Returns the raw ids of a list from the tables in the bundle."""
    codes = bundle.lookups.encode("item_id", np.array(basket))
    ids, _ = RelatedItems.load(bundle.path / "related").of_basket(kind, codes)
    return bundle.lookups.decode("item_id", ids).tolist()


def ask(stage: Stage, kind: str, basket: list[int], length: int = 10) -> list[int]:
    answer = stage({"kind": np.array([KINDS.index(kind)]), "item_ids": np.array(basket), "length": np.array([length])})
    return answer["ordered_ids"].tolist()


def test_the_server_answers_from_the_tables_of_the_live_bundle(shop: Settings, shop_bundle: Bundle) -> None:
    client = Client(shop)
    similar, together = client.similar(10, 3), client.bought_together(["13", 16], 5)
    assert similar.item_ids.tolist() == expected(shop_bundle, SIMILAR, [10])[:3]
    assert together.item_ids.tolist() == expected(shop_bundle, TOGETHER, [13, 16])[:5]
    completing = client.bought_together([13, 16], 5, complement=True).item_ids.tolist()
    categories = dict(shop_bundle.catalog().select("item_id", "category_l2").iter_rows())
    of_each = {own: expected(shop_bundle, COMPLEMENT, [own]) for own in (13, 16)}

    def is_substitute(item: int) -> bool:
        same = [own for own in of_each if categories[own] == categories[item]]
        return bool(same) and not any(item in of_each[own] for own in same)

    kept = [item for item in expected(shop_bundle, COMPLEMENT, [13, 16]) if not is_substitute(item)]
    assert completing == kept[:5]
    assert {similar.bundle_id, together.bundle_id} == {shop_bundle.bundle_id, client.recommend(1).bundle_id}
    assert not len(client.similar(999))
    with pytest.raises(RequestError, match="length must be 1 to 50"):
        client.similar(10, 51)
    with pytest.raises(RequestError, match="item_ids must have 1 to 100"):
        client.bought_together([])


def test_the_commands_print_the_lists(shop: Settings, shop_bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rec_assets.settings.get_settings", lambda: shop)
    for command, kind, basket in (("similar", SIMILAR, [10]), ("together", TOGETHER, [13, 16])):
        done = CliRunner().invoke(app, [command, *map(str, basket), "-k", "4", "--json"])
        assert done.exit_code == 0, done.output
        printed = json.loads(done.stdout)
        assert [item["item_id"] for item in printed["items"]] == expected(shop_bundle, kind, basket)[:4]
        assert printed["bundle_id"] == shop_bundle.bundle_id


def test_the_server_lists_what_a_user_is_due_to_buy_again(
    shop: Settings, shop_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, now = 977_001, 1_742_040_000
    rows = [(10, now - 20 * DAY), (10, now - 10 * DAY), (13, now - 3 * DAY), (999, now - DAY), (16, now)]
    RecentItems(connect_for_requests(shop)).add_each(user, rows)
    codes = shop_bundle.lookups.encode("item_id", np.array([10, 10, 13]))
    times = np.array([at for _, at in rows[:3]])
    ids, chances = BuyAgain.load(shop_bundle.path / "related" / AGAIN).due(codes, times, now)
    client = Client(shop)
    answer = client.buy_again(user, timestamp=now)
    assert sorted(answer.item_ids.tolist()) == [10, 13]
    assert answer.item_ids.tolist() == shop_bundle.lookups.decode("item_id", ids).tolist()
    assert answer.scores == pytest.approx(chances, rel=1e-5)
    assert (answer.bundle_id, answer.reason) == (shop_bundle.bundle_id, "")
    assert client.buy_again(user, 1, now).item_ids.tolist() == answer.item_ids[:1].tolist()
    for anonymous in (-1, 977_002):
        nothing = client.buy_again(anonymous)
        assert (len(nothing), nothing.reason) == (0, again.NO_HISTORY)
    monkeypatch.setattr("rec_assets.settings.get_settings", lambda: shop)
    done = CliRunner().invoke(app, ["buy-again", str(user), "--at", "2025-03-15T12:00", "--json"])
    assert done.exit_code == 0, done.output
    assert [item["item_id"] for item in json.loads(done.stdout)["items"]] == answer.item_ids.tolist()
    assert again.NO_HISTORY in CliRunner().invoke(app, ["buy-again", "977002"]).stdout


def test_a_list_that_cannot_be_made_is_empty_with_a_reason(valkey: Settings, tiny_bundle: Bundle) -> None:
    def reason(bundle: Bundle, settings: Settings) -> str:
        answer = load_stage("related_lists", bundle, settings)({"kind": np.array([AT]), "user_id": np.array([5])})
        assert not len(answer["ordered_ids"])
        return str(answer["reason"].item().decode())

    RecentItems(connect_for_requests(valkey)).add(5, [10], 1_742_040_000)
    config = tiny_bundle.manifest.config.model_copy(update={"repeats": False})
    without = replace(tiny_bundle, manifest=tiny_bundle.manifest.model_copy(update={"config": config}))
    assert reason(without, valkey) == again.NO_REPEATS
    assert reason(tiny_bundle, valkey.model_copy(update={"clicks_teach": False})) == again.CLICKS
    assert reason(tiny_bundle, valkey.model_copy(update={"valkey_port": free_port()})) == again.NO_STORE


def test_withdrawn_items_leave_the_lists(valkey: Settings, tiny_bundle: Bundle) -> None:
    before = expected(tiny_bundle, SIMILAR, [10])
    UnavailableItems(connect_for_requests(valkey)).replace(np.array(before[:1]))
    assert ask(load_stage("related_lists", tiny_bundle, valkey), SIMILAR, [10]) == before[1:]


def test_a_bundle_of_an_earlier_release_answers_recommendations_but_not_these_lists(
    valkey: Settings, tiny_bundle: Bundle
) -> None:
    parts = {part: digest for part, digest in tiny_bundle.manifest.parts.items() if part != "related"}
    old = replace(tiny_bundle, manifest=tiny_bundle.manifest.model_copy(update={"parts": parts}))
    assert related_tables(old) is None
    stage = load_stage("related_lists", old, valkey)
    assert ask(stage, SIMILAR, [-1]) == []
    with pytest.raises(RequestError, match=r"has no related items \(similar\), promote a newer bundle"):
        ask(stage, SIMILAR, [10])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"item_ids": [10]}, "kind is required"),
        ({"kind": [0]}, "item_ids is required"),
        ({"kind": [len(LISTS)], "item_ids": [10]}, "kind must be 0 to"),
        ({"kind": [0, 1], "item_ids": [10]}, "kind must have one value, not 2"),
        ({"kind": [0], "item_ids": [0.5]}, "item_ids must be integers"),
        ({"kind": [0], "item_ids": range(MAX_BASKET + 1)}, "item_ids must have 1 to 100 items"),
        ({"kind": [0], "item_ids": [10], "length": [0]}, "length must be 1 to 50"),
        ({"kind": [AT], "item_ids": [10]}, "user_id is required"),
        ({"kind": [AT], "user_id": [10], "timestamp": [-1]}, "timestamp must not be negative"),
    ],
)
def test_an_invalid_request_is_refused(given: dict[str, list[int]], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        validate_related({name: np.array(values) for name, values in given.items()})
