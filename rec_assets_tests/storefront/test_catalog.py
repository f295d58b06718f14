from pathlib import Path

import polars as pl

from rec_assets.serving.ids import Ids
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storefront.catalog import LOOK_EVERY_S, Catalog


def catalog_of(settings: Settings) -> Catalog:
    return Catalog(settings, Ids(settings))


def publish(settings: Settings, title: str, category: int = 1) -> None:
    with ArtifactStore(settings.artifacts_dir).publish("raw_items") as draft:
        item = {"item_id": [7], "title": [title], "price": [9.5], "category_l1": [category]}
        pl.DataFrame(item).write_parquet(draft.path / "items.parquet")
        (draft.path / "item_images").mkdir()
        (draft.path / "item_images" / "7.jpg").write_bytes(b"image")


def test_a_shop_that_was_never_built_is_empty_and_no_error(tmp_path: Path) -> None:
    catalog = catalog_of(Settings(home=tmp_path))
    assert (catalog.items(), catalog.users(), catalog.categories()) == ({}, [], [])
    assert (catalog.item(7).title, catalog.item(7).price, catalog.image(7)) == ("Item 7", None, None)


def test_items_have_names_of_categories_where_the_source_knows_them(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    publish(settings, "Canvas ankle boot")
    assert catalog_of(settings).item(7).category_name == "footwear"
    assert catalog_of(settings).named("7") == catalog_of(settings).item(7)
    assert catalog_of(settings).named("<b>").title == "Item <b>"
    assert catalog_of(settings).image(7) and not catalog_of(settings).image(8)
    other = settings.model_copy(update={"source": "files"})
    assert catalog_of(other).categories() == [("1", "category 1")]


def test_an_item_without_a_category_has_no_name_of_one(tmp_path: Path) -> None:
    publish(Settings(home=tmp_path), "Canvas ankle boot", category=-1)
    catalog = catalog_of(Settings(home=tmp_path))
    assert (catalog.item(7).category_name, catalog.categories()) == ("", [])


def test_a_catalog_that_is_built_again_is_read_again(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    publish(settings, "Old boot")
    clock = iter([0.0, 1.0, LOOK_EVERY_S])
    catalog = Catalog(settings, Ids(settings), clock=lambda: next(clock))
    assert catalog.item(7).title == "Old boot"
    publish(settings, "New boot")
    assert [catalog.item(7).title for _ in range(2)] == ["Old boot", "New boot"]
