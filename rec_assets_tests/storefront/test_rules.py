"""The page of the shop's rules, without Triton."""

import json
from http.client import HTTPConnection
from pathlib import Path

import pytest

from rec_assets.serving.rule_versions import ShopRules
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port
from rec_assets_tests.storefront.conftest import Serve
from rec_assets_tests.storefront.test_app import TRAP, ask

RULES = '[[block]]\nname = "recall"\nitems = [10]\n'


@pytest.fixture
def shop(valkey: Settings, tmp_path: Path) -> Settings:
    return valkey.model_copy(update={"home": tmp_path, "triton_grpc_port": free_port()})


def draft(text: str, version: int) -> dict[str, object]:
    return {"text": text, "version": version}


def test_the_owner_saves_and_undoes_rules_of_the_version_that_the_page_shows(shop: Settings, serve: Serve) -> None:
    address, rules = serve(shop), ShopRules(shop)
    assert "no rules" in ask(address, "/rules")[1]
    answer, body = ask(address, "/rules", draft(RULES, 0))
    assert (answer.status, "version 1" in body, rules.versions().current.text) == (200, True, RULES)
    assert "recall" in ask(address, "/rules")[1]
    answer, body = ask(address, "/rules", draft("", 0))
    assert (answer.status, json.loads(body)["next_step"]) == (409, "Load the page again.")
    answer, body = ask(address, "/rules", draft('[[pin]]\nname = "hero"', 1))
    assert answer.status == 409 and "rule 'hero' (pin)" in json.loads(body)["problem"]
    assert ask(address, "/rules/undo", draft("", 1))[0].status == 200
    assert rules.versions().current.text == ""


def test_a_comparison_without_a_bundle_says_the_next_step_and_shows_text_as_text(shop: Settings, serve: Serve) -> None:
    address = serve(shop)
    answer, body = ask(address, "/rules/try", draft(RULES, 0))
    assert answer.status == 200 and "rec promote" in body
    body = ask(address, "/rules/try", draft(f'[[block]]\nname = "{TRAP}"', 0))[1]
    assert "&lt;script&gt;" in body and TRAP not in body


def test_damaged_versions_are_named_and_nothing_can_be_saved(shop: Settings, serve: Serve) -> None:
    ShopRules(shop).publish(RULES, "owner")
    (shop.artifacts_dir / "shop_rules" / "all" / "current.json").write_text("{")
    address = serve(shop)
    answer, body = ask(address, "/rules")
    assert answer.status == 200 and "shop_rules" in body and "textarea" not in body
    assert ask(address, "/rules", draft("", 1))[0].status == 409


@pytest.mark.parametrize("path", ["/rules", "/rules/undo", "/rules/try"])
def test_others_than_a_local_owner_only_see_the_rules(shop: Settings, serve: Serve, path: str) -> None:
    ShopRules(shop).publish(RULES, "owner")
    address = serve(shop.model_copy(update={"allowed_hosts": "shop.example"}))
    given = json.dumps(draft("", 1))
    for name, value, kind, status in (
        ("Host", "shop.example", "application/json", 403),
        ("Host", "192.0.2.1", "application/json", 403),
        ("Origin", "https://evil.example", "application/json", 403),
        ("Accept", "*/*", "text/plain", 422),
    ):
        connection = HTTPConnection(address.removeprefix("http://"), timeout=10)
        connection.request("POST", path, given, {"Content-Type": kind, name: value})
        assert connection.getresponse().status == status
    connection = HTTPConnection(address.removeprefix("http://"), timeout=10)
    connection.request("GET", "/rules", headers={"Host": "shop.example"})
    page = connection.getresponse().read().decode()
    assert "recall" in page and "textarea" not in page
    assert ShopRules(shop).versions().current.number == 1


def test_a_storefront_that_other_machines_reach_saves_nothing(shop: Settings, serve: Serve) -> None:
    address = serve(shop.model_copy(update={"storefront_address": "0.0.0.0"}))
    local = f"http://127.0.0.1:{address.rpartition(':')[2]}"
    assert ask(local, "/rules", draft(RULES, 0))[0].status == 403
    assert "textarea" not in ask(local, "/rules")[1]
