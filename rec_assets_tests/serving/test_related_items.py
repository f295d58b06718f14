"""Tests of the lists around a basket on a running server, and of their request."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli import app
from rec_assets.datasets.related.tables import KINDS, SIMILAR, TOGETHER, RelatedItems
from rec_assets.features.store.unavailable import UnavailableItems
from rec_assets.serving.client import Client
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.related_request import MAX_BASKET, validate_related
from rec_assets.serving.stages import Stage, load_stage
from rec_assets.serving.tables.memory_mapped import related_tables
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect_for_requests


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


def test_withdrawn_items_leave_the_lists(valkey: Settings, tiny_bundle: Bundle) -> None:
    before = expected(tiny_bundle, SIMILAR, [10])
    UnavailableItems(connect_for_requests(valkey, UnavailableItems.DB)).replace(np.array(before[:1]))
    assert ask(load_stage("related_lists", tiny_bundle, valkey), SIMILAR, [10]) == before[1:]


def test_a_bundle_of_an_earlier_release_answers_recommendations_but_not_these_lists(
    valkey: Settings, tiny_bundle: Bundle
) -> None:
    parts = {part: digest for part, digest in tiny_bundle.manifest.parts.items() if part != "related"}
    old = replace(tiny_bundle, manifest=tiny_bundle.manifest.model_copy(update={"parts": parts}))
    assert related_tables(old) is None
    stage = load_stage("related_lists", old, valkey)
    assert ask(stage, SIMILAR, [-1]) == []
    with pytest.raises(RequestError, match="has no related items, promote a newer bundle"):
        ask(stage, SIMILAR, [10])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"item_ids": [10]}, "kind is required"),
        ({"kind": [0]}, "item_ids is required"),
        ({"kind": [2], "item_ids": [10]}, "kind must be 0 to 1"),
        ({"kind": [0, 1], "item_ids": [10]}, "kind must have one value, not 2"),
        ({"kind": [0], "item_ids": [0.5]}, "item_ids must be integers"),
        ({"kind": [0], "item_ids": range(MAX_BASKET + 1)}, "item_ids must have 1 to 100 items"),
        ({"kind": [0], "item_ids": [10], "length": [0]}, "length must be 1 to 50"),
    ],
)
def test_an_invalid_request_is_refused(given: dict[str, list[int]], message: str) -> None:
    with pytest.raises(RequestError, match=message):
        validate_related({name: np.array(values) for name, values in given.items()})
