"""Tests of `rec init` for images: columns of paths and addresses, and files beside the data."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.sources.images.pattern import ITEM, ImagePattern
from rec_assets.sources.shop.guess import guess_shop
from rec_assets.sources.shop.guess.images import pattern_of
from rec_assets.sources.shop.mapping import Items
from rec_assets_tests.sources.images.image_server import image_of
from rec_assets_tests.sources.shop.opened import opened
from rec_assets_tests.sources.shop.test_images import write_files

IDS = [f"SKU-{number}" for number in range(30)]


def guessed(folder: Path, columns: dict[str, Sequence[str | None]] | None = None) -> tuple[Items, str]:
    """Returns the guessed items of a shop in `folder/data`, and the note about images."""
    data = folder / "data"
    data.mkdir(exist_ok=True)
    rows = [(f"C-{n % 7}", IDS[n % 30], f"2024-02-{1 + n % 9:02d}") for n in range(200)]
    pl.DataFrame(rows, ["customer", "sku", "bought_at"], orient="row").write_csv(data / "orders.csv")
    pl.DataFrame({"sku": IDS, "name": [f"Thing {n}" for n in range(30)], **(columns or {})}).write_csv(
        data / "products.csv"
    )
    draft = guess_shop(data, folder)
    return draft.shop.items, next((note for note in draft.notes if "images" in note), "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_url", "https://cdn.example/{}.jpg"),
        ("Image Src", "https://cdn.example/{}"),
        ("Images", "https://cdn.example/{0}-1.jpg, https://cdn.example/{0}-2.jpg"),
        ("imUrl", "http://ecx.example/{}._SX300_.jpg"),
        ("main_image", '["https://cdn.example/{}.jpg"]'),
    ],
)
def test_a_column_of_addresses_is_found_by_its_name_and_values(tmp_path: Path, name: str, value: str) -> None:
    thumbnails = [f"https://cdn.example/t/{one}.jpg" for one in IDS]
    items, note = guessed(tmp_path, {"thumbnail_image": thumbnails, name: [value.format(one) for one in IDS]})
    assert (items.image, items.images, items.title) == (name, "", "name")
    assert note == f"  images: column {name} (addresses; the first of a cell is downloaded)"


@pytest.mark.parametrize(("start", "images"), [("", "data"), ("pics/large", "data/pics/large")])
def test_the_folder_of_a_column_of_paths_is_found(tmp_path: Path, start: str, images: str) -> None:
    write_files(tmp_path / "data" / start, "p/1.jpg", "p/2.jpg", content=image_of("red"))
    items, note = guessed(tmp_path, {"photo": ["p/1.jpg", "p/2.jpg"] * 15})
    assert (items.image, items.images) == ("photo", images)
    assert "2 of 2 paths are files" in note


def test_paths_without_files_are_kept_with_the_next_step(tmp_path: Path) -> None:
    items, note = guessed(tmp_path, {"picture": ["/media/1.jpg"] * 30})
    assert (items.image, items.images) == ("picture", "")
    assert "no file is found, such as /media/1.jpg; add `images`" in note


def test_a_column_without_images_is_not_taken(tmp_path: Path) -> None:
    items, note = guessed(tmp_path, {"image_count": ["3"] * 30, "photo": ["yes"] * 30})
    assert not items.has_images and note == "  absent: price, category, images"


def test_files_are_preferred_to_downloads(tmp_path: Path) -> None:
    write_files(tmp_path / "data", *(f"img/{one}/main.jpg" for one in IDS), content=image_of("red"))
    items, note = guessed(tmp_path, {"image": [f"https://cdn.example/{one}.jpg" for one in IDS]})
    assert (items.image, items.images) == ("", "data/img/{item}/main.jpg")
    assert "30 of 30 items, in place of the addresses of image" in note


@pytest.mark.parametrize(
    ("names", "entry"),
    [
        (["pics/{}.jpg"], "pics"),
        (["{}.jpg", "readme.png"], "{item}.jpg"),
        (["p/{}_1.jpg", "p/{}_2.jpg"], "p/{item}_1.jpg"),
        (["p/{}-back.jpg", "p/{}-main.jpg"], "p/{item}-main.jpg"),
        (["p/{0}/{0}_1.webp"], "p/{item}/{item}_1.webp"),
        (["icons/cart.png", "logo.jpg"], ""),
    ],
)
def test_the_simplest_pattern_for_most_items_is_found(names: list[str], entry: str) -> None:
    files = [name.format(item) for item in IDS for name in names]
    assert pattern_of(files, IDS) == (entry, 30 if entry else 0)


@pytest.mark.parametrize(
    ("names", "entry"),
    [
        (["pics/a/{}.jpg", "pics/b/{}.png"], "pics"),
        (["men/{}.jpg", "women/{}.jpg"], "*/{item}.jpg"),
        (["p/{}/photo.jpg", "p/{}/photo.png"], "p/{item}/photo.*"),
        (["p/{}/1.jpg", "p/{}/2.jpg"], "p/{item}/*"),
        (["p/{}_a.jpg", "p/{}_b.jpg"], "p/{item}_*"),
    ],
)
def test_names_that_differ_between_items_have_a_star(names: list[str], entry: str) -> None:
    files = [names[number % 2].format(item) for number, item in enumerate(IDS)]
    assert pattern_of(files, IDS) == (entry, 30)


def test_a_folder_that_a_mapping_cannot_name_is_left_out(tmp_path: Path) -> None:
    write_files(tmp_path / "data", *(f"{{photos}}/{one}.jpg" for one in IDS), content=image_of("red"))
    items, note = guessed(tmp_path)
    assert not items.has_images and "absent" in note


def test_files_of_a_few_items_are_no_images_of_the_shop() -> None:
    assert pattern_of(["icons/SKU-1.png", "icons/SKU-2.png"], IDS) == ("", 0)


@given(
    st.sets(st.text("AB01-_", min_size=1, max_size=6), min_size=1),
    st.sampled_from(["{}.jpg", "p/{}_x.png", "{}/1.gif"]),
)
def test_a_guessed_pattern_matches_the_files_that_it_was_guessed_from(ids: set[str], name: str) -> None:
    known = {one for one in ids if one.strip("0")}
    entry, number = pattern_of([name.format(one) for one in known], known)
    if ITEM in entry:
        pattern = ImagePattern(entry)
        below = [name.format(one).removeprefix(pattern.root).lstrip("/") for one in known]
        matched = {text for path in below for text in pattern.captures(path)}
        assert len(matched & known) >= number


@pytest.mark.parametrize(("position", "first"), [("position", "b"), ("", "a")])
@pytest.mark.parametrize("has_items", [True, False])
def test_a_table_of_several_images_of_an_item_gives_one(
    tmp_path: Path, position: str, first: str, has_items: bool
) -> None:
    numbers = list(range(60))
    rows = {"user_id": [n % 7 for n in numbers], "product_id": [n % 30 for n in numbers], "time": ["2024-02-13"] * 60}
    pl.DataFrame(rows).write_csv(tmp_path / "orders.csv")
    if has_items:
        titles = {"product_id": range(30), "title": [f"Thing {n}" for n in range(30)]}
        pl.DataFrame(titles).write_csv(tmp_path / "products.csv")
    images = pl.DataFrame({"image_id": numbers, "product_id": [n // 2 for n in numbers]}).with_columns(
        image_url=pl.Series([f"https://cdn.example/{n // 2}/{'ab'[n % 2]}.jpg" for n in numbers])
    )
    if position:
        images = images.with_columns(pl.Series(position, [2 - n % 2 for n in numbers]))
    images.write_csv(tmp_path / "product_images.csv")
    shop = guess_shop(tmp_path, tmp_path).shop
    assert shop.items.image == "image_url"
    catalog = opened(shop, tmp_path).catalog()
    assert catalog["image"].to_list() == [f"https://cdn.example/{item}/{first}.jpg" for item in catalog["item"]]
    assert catalog.height == 30
