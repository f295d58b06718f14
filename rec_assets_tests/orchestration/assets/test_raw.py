"""Raw assets of a shop whose export grows: new users and items of a day, and their previews."""

from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dagster import AssetKey, DagsterInstance

from rec_assets.features.store.item_attributes import StoredItemAttributes
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.unavailable import UnavailableItems
from rec_assets.features.store.views import ITEM_VIEW
from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.serving.ids import ITEM, Ids
from rec_assets.settings import Settings
from rec_assets.sources import Codes
from rec_assets.storage.artifacts.stores import open_store
from rec_assets.storage.valkey.client import connect
from rec_assets_tests.pipeline import definitions, materialize, settings_from
from rec_assets_tests.sources.images.image_server import image_of, running_image_server

FIRST = date(2024, 2, 1)
MAPPING = """
name = "grower"
[days]
first = 2024-02-01
count = 3
train = 1
valid = 1
[interactions]
files = "rows.csv"
user = "user"
item = "item"
time = "time"
[items]
files = "items.csv"
item = "item"
price = "price"
brand = "brand"
stock = "price"
[users]
files = "users.csv"
user = "user"
"""


def export(folder: Path, days: int) -> None:
    """Writes a shop in which each day brings a user and an item that nobody has seen before."""
    days_of = [(f"user {n}", f"item {n}", f"{FIRST + timedelta(days=n)}T12:00") for n in range(days)]
    rows = pl.DataFrame(days_of, ["user", "item", "time"], orient="row")
    rows.write_csv(folder / "rows.csv")
    write_items(folder, dict.fromkeys(rows["item"], 5))
    rows.select("user").write_csv(folder / "users.csv")


def write_items(folder: Path, prices: Mapping[str, int]) -> None:
    brands = [f"brand {price}" for price in prices.values()]
    pl.DataFrame({"item": prices.keys(), "price": prices.values(), "brand": brands}).write_csv(folder / "items.csv")


def run(job: str, day: int | None) -> bool:
    with DagsterInstance.get() as instance:
        made = definitions().resolve_job_def(job)
        key = None if day is None else (FIRST + timedelta(days=day)).isoformat()
        return made.execute_in_process(instance=instance, raise_on_error=False, partition_key=key).success


def texts(settings: Settings, day: int) -> list[tuple[str, str]]:
    """Returns user and item of the raw rows of a day."""
    store = open_store(settings)
    raw = store.get("raw_interactions", (FIRST + timedelta(days=day)).isoformat())
    rows, codes = pl.read_parquet(raw / "interactions.parquet"), Codes.load(store.get("id_codes").path)
    return list(zip(codes.decode("user", rows["user_id"]), codes.decode("item", rows["item_id"]), strict=True))


def preview(day: int) -> str:
    with DagsterInstance.get() as instance:
        found = instance.fetch_materializations(AssetKey("raw_interactions"), limit=1).records[0].asset_materialization
        assert found is not None and found.partition == (FIRST + timedelta(days=day)).isoformat()
        return str(found.metadata["preview"].value)


@pytest.mark.slow
def test_the_daily_job_takes_in_the_users_and_items_of_its_day(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(MAPPING)
    with settings_from({"REC_SHOP": str(tmp_path / "shop.toml"), "REC_HOME": str(tmp_path / "home")}) as settings:
        prepare_dagster_home(settings)
        for day in range(2):
            export(tmp_path, day + 1)
            assert run("daily_data", day)
            assert f"item {day}" in preview(day) and "user" not in preview(day)
            assert texts(settings, day) == [(f"user {day}", f"item {day}")]
        assert texts(settings, 0) == [("user 0", "item 0")]
        export(tmp_path, 3)
        with DagsterInstance.get() as instance:
            alone = materialize(
                ["raw_interactions"], instance=instance, partition_key="2024-02-03", raise_on_error=False
            )
        (failed,) = [event for event in alone.all_events if event.is_step_failure]
        assert "newer than id_codes (first values: user 2)" in str(failed.step_failure_data.error)


@pytest.mark.slow
def test_a_catalog_update_tells_serving_what_left_and_what_changed(tmp_path: Path, valkey: Settings) -> None:
    (tmp_path / "shop.toml").write_text(MAPPING)
    variables = {"REC_SHOP": str(tmp_path / "shop.toml"), "REC_HOME": str(tmp_path / "home")}
    with settings_from(variables | {"REC_VALKEY_PORT": str(valkey.valkey_port)}) as settings:
        prepare_dagster_home(settings)
        export(tmp_path, 3)
        assert run("daily_data", 0) and run("online_store", 0)
        unavailable = UnavailableItems(connect(settings))
        assert unavailable.items().tolist() == []
        numbers = Ids(settings)
        items = [numbers.number(ITEM, f"item {n}") for n in range(3)]
        for prices in ({"item 0": 7, "item 2": 5}, {"item 0": 8, "item 1": 5, "item 2": 5}, {"item 0": 9, "item 1": 5}):
            write_items(tmp_path, prices)
            assert run("catalog_update", None)
            assert unavailable.items().tolist() == [items[n] for n in range(3) if f"item {n}" not in prices]
            stored = OnlineReader(settings, ITEM_VIEW)(np.array(items, np.int32)).columns["price"]
            assert stored.tolist() == [prices["item 0"], 5, 5]
            attributes = StoredItemAttributes(connect(settings)).attributes()
            shown = {number: prices[f"item {n}"] for n, number in enumerate(items) if f"item {n}" in prices}
            assert dict(zip(attributes.item_ids.tolist(), attributes.stock.tolist(), strict=True)) == shown
            texts_of = Codes.load(open_store(settings).get("id_codes").path).decode(
                "brand", pl.Series(attributes.brand)
            )
            assert texts_of.to_list() == [f"brand {shown[item]}" for item in attributes.item_ids.tolist()]


@pytest.mark.slow
def test_new_items_bring_their_images_and_a_missing_image_warns(tmp_path: Path) -> None:
    with running_image_server() as site:
        mapping = MAPPING.replace("[users]", f'images = "{site.address}/{{item}}.png"\n[users]')
        (tmp_path / "shop.toml").write_text(mapping)
        variables = {"REC_SHOP": str(tmp_path / "shop.toml"), "REC_HOME": str(tmp_path / "home")}
        with settings_from({**variables, "REC_IMAGE_PRIVATE_HOSTS": "true"}) as settings:
            catalog = ["id_codes", "raw_items"]
            export(tmp_path, 1)
            failed = materialize(catalog, raise_on_error=False)
            assert not failed.success
            errors = [str(event.step_failure_data.error) for event in failed.all_events if event.is_step_failure]
            assert "None of 1 images could be downloaded" in errors[0] and "item%200.png (status 404)" in errors[0]
            for day, color in enumerate(("red", "blue")):
                site.images[f"/item%20{day}.png"] = image_of(color)
            for days, requests in ((2, 3), (3, 4)):
                export(tmp_path, days)
                result = materialize(catalog)
                (check,) = result.get_asset_check_evaluations()
                assert check.passed is (days == 2)
                assert sum(site.requests.values()) == requests, "only new items are asked for"
            assert "item 2: " in str(check.description) and "status 404" in str(check.description)
            files = sorted((open_store(settings).get("raw_items") / "item_images").iterdir())
            assert [file.read_bytes() for file in files] == [image_of("red"), image_of("blue")]
            (made,) = result.asset_materializations_for_node("raw_items")
            assert made.metadata["failed_images"].value == 1 and made.metadata["missing_images"].value == 1
