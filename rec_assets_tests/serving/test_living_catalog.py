"""A catalog that changes while Triton serves: unavailable items and new prices count in seconds, in every bundle."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store import online
from rec_assets.features.store.unavailable import UnavailableItems
from rec_assets.serving.client import Client
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.model_repository import publish, repository_path
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets_tests.serving.synthetic import make_bundle
from rec_assets_tests.waiting import wait_until

USERS = (-1, 3, 5, 7)
NOON = datetime(2025, 3, 10, 12, tzinfo=UTC)


def lists(settings: Settings) -> list[list[int]]:
    client = Client(settings)
    return [client.recommend(user, "mobile", NOON).item_ids.tolist() for user in USERS]


def shown(settings: Settings) -> set[int]:
    return {item for one in lists(settings) for item in one}


@pytest.mark.slow
def test_an_item_leaves_every_list_at_once_and_stays_away_after_promotions(
    shop: Settings, shop_bundle: Bundle, first: int, tmp_path: Path
) -> None:
    before = lists(shop)
    hidden = {one[0] for one in before}
    unavailable = UnavailableItems(connect(shop))
    unavailable.replace(hidden)
    try:
        wait_until(lambda: not hidden & shown(shop))
        assert [len(one) for one in lists(shop)] == [len(one) for one in before], "lists are filled up"
        for seed in (1, 2):
            other = make_bundle(tmp_path / str(seed), seed=seed, items=50, users=20)
            server_control.go_live(shop, publish(other, repository_path(shop), settings=shop))
            assert Client(shop).recommend(3).bundle_id == other.bundle_id
            wait_until(lambda: not hidden & shown(shop))
        server_control.go_live(shop, first)
        unavailable.replace([])
        wait_until(lambda: lists(shop) == before)
    finally:
        unavailable.replace([])
        server_control.go_live(shop, first)


@pytest.mark.slow
def test_a_changed_price_counts_in_the_next_answers(shop: Settings, shop_bundle: Bundle, first: int) -> None:
    client = Client(shop)
    before = dict(client.recommend(3, "mobile", NOON))
    item = next(iter(before))
    row = shop_bundle.catalog().filter(item_id=item)
    later = pl.Series([int(NOON.timestamp())], dtype=pl.Int64).to_numpy()
    online.write_items(shop, row.with_columns(price=pl.lit(9_000.0, pl.Float32)), later)
    try:
        wait_until(lambda: dict(client.recommend(3, "mobile", NOON)).get(item) != before[item])
    finally:
        online.write_items(shop, row, later + 1)
        wait_until(lambda: dict(client.recommend(3, "mobile", NOON)) == pytest.approx(before))
