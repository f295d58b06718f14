"""Tests of the images of a shop: patterns, columns of paths and addresses, the check, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from upath import UPath

from rec_assets.common.errors import ActionableError
from rec_assets.sources.images.download import Downloader, DownloadLimits
from rec_assets.sources.images.found import ImageReport
from rec_assets.sources.shop.check import find_problems, summarize
from rec_assets.sources.shop.codes import Codes
from rec_assets.sources.shop.mapping import Days, Interactions, Items, Shop
from rec_assets.sources.shop.source import ShopSource
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.sources.images.image_server import ImageServer, image_of, running_image_server

RED, BLUE = image_of("red"), image_of("blue", "JPEG")
LIMITS = DownloadLimits(private_hosts=True, wait_s=5, pause_s=0)
ITEMS = ("A_1", "A", "007", "B 2")


@pytest.fixture
def site() -> Iterator[ImageServer]:
    with running_image_server() as site:
        yield site


def write_files(folder: Path, *names: str, content: bytes = RED) -> None:
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def source_with(folder: Path, cells: dict[str, str] | None = None, **entries: Any) -> ShopSource:
    """Returns a shop of `ITEMS` with entries of its mapping; `cells` are those of the column `photo` by item."""
    (folder / "data").mkdir(exist_ok=True)
    rows = [{"user": f"u{n}", "item": item, "time": "2024-02-01"} for n in range(3) for item in ITEMS]
    pl.DataFrame(rows).write_csv(folder / "data" / "rows.csv")
    catalog = pl.DataFrame({"item": ITEMS, "photo": [(cells or {}).get(item) for item in ITEMS]})
    catalog.write_parquet(folder / "data" / "items.parquet")
    shop = Shop(
        name="shop",
        days=Days.model_validate({"first": "2024-02-01", "count": 1, "train": 1, "valid": 1}),
        interactions=Interactions(files="data/rows.csv", user="user", item="item", time="time"),
        items=Items(files="data/items.parquet", item="item", **entries),
    )
    cache = folder / ".rec"
    source = ShopSource(shop, folder, cache / "shop", downloader=Downloader(cache / "images", LIMITS))
    source.codes = Codes.empty().extended(source.identifiers())
    return source


def copied(source: ShopSource, folder: Path) -> tuple[dict[str, bytes], ImageReport]:
    """Returns the written images by item, and the report."""
    folder.mkdir(exist_ok=True)
    report = source.write_images(folder)
    known = source.codes.table.filter(kind="item")
    names = dict(zip(known["code"].cast(pl.String), known["value"], strict=True))
    found = {names[file.stem]: file.read_bytes() for file in folder.iterdir()}
    assert report.written == len(found)
    return found, report


def test_a_pattern_finds_images_in_folders_of_items(tmp_path: Path) -> None:
    write_files(tmp_path, "photos/A/main.webp", "photos/B 2/main.jpg", "photos/A/side.jpg", "photos/A/main.txt")
    write_files(tmp_path, "photos/unknown/main.jpg", "photos/7/more/main.jpg")
    images, report = copied(source_with(tmp_path, images="photos/{item}/main.*"), tmp_path / "out")
    assert images.keys() == {"A", "B 2"}
    assert (report.several, report.failures) == (0, {})


def test_of_several_images_the_first_by_name_is_taken_and_counted(tmp_path: Path) -> None:
    write_files(tmp_path, "img/A_b.jpg", "img/A_1_x.jpg", "img/A_1_y.jpg", "img/007_2.jpg", "img/._A_a.jpg")
    write_files(tmp_path, "img/A_a.jpg", content=BLUE)
    source = source_with(tmp_path, images="img/{item}_*.jpg")
    images, report = copied(source, tmp_path / "out")
    assert images == {"A": BLUE, "A_1": RED, "007": RED}
    assert report.several == 2
    found = {one.outcome: one for one in find_problems(source)}
    assert found["kept: of several images, the first by name is taken"].rows == 2
    assert found["kept: the item has no image"].examples == ("B 2",)
    assert summarize(source).figures["images"] == "3 of 4 items"


def test_images_of_a_bucket_are_found_in_every_way(tmp_path: Path, s3: S3) -> None:
    bucket = f"s3://{BUCKET}/{tmp_path.name}"
    for name in ("img/A_1.jpg", "img/7_1.jpg", "img/B 2_2.jpg", "named/more/007.png", "secret.jpg"):
        UPath(f"{bucket}/{name}").write_bytes(RED)
    images, _ = copied(source_with(tmp_path, images=f"{bucket}/img/{{item}}_1.jpg"), tmp_path / "pattern")
    assert images.keys() == {"A"}
    images, _ = copied(source_with(tmp_path, images=f"{bucket}/named"), tmp_path / "folder")
    assert images.keys() == {"007"}
    cells = {"A": "A_1.jpg", "A_1": "../secret.jpg", "007": f"{bucket}/img/7_1.jpg", "B 2": f"{bucket}/secret.jpg"}
    source = source_with(tmp_path, cells, images=f"{bucket}/img", image="photo")
    images, report = copied(source, tmp_path / "column")
    assert images.keys() == {"A", "007"} and report.failures.keys() == {"A_1", "B 2"}


@pytest.mark.parametrize("start", ["", "media", "media/"])
def test_a_column_of_paths_starts_from_the_mapping_or_from_a_folder(tmp_path: Path, start: str) -> None:
    write_files(tmp_path / start, "p/1.jpg", "p/2.jpg", "odd name, 1.JPG")
    cells = {"A": "p/1.jpg", "A_1": "/p/2.jpg | p/1.jpg", "007": "p\\2.jpg", "B 2": "odd name, 1.JPG"}
    images, report = copied(source_with(tmp_path, cells, images=start, image="photo"), tmp_path / "out")
    assert images.keys() == set(ITEMS) and not report.failures


def test_no_path_leads_out_of_the_folder(tmp_path: Path) -> None:
    shop = tmp_path / "shop"
    write_files(shop, "img/in.jpg")
    write_files(tmp_path, "secret.jpg")
    (shop / "img" / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    (shop / "img" / "A.jpg").symlink_to(tmp_path / "secret.jpg")
    (shop / "img" / "007.jpg").symlink_to(shop / "img" / "in.jpg")
    cells = {"A": "../../secret.jpg", "A_1": str(tmp_path / "secret.jpg"), "007": "link.jpg"}
    cells["B 2"] = "file:///etc/hostname"
    images, report = copied(source_with(shop, cells, images="img", image="photo"), tmp_path / "out")
    assert not images
    reasons = {item: reason.rpartition(" (")[2] for item, reason in report.failures.items()}
    assert reasons["A"] == reasons["007"] == "leads out of its folder)"
    assert reasons["A_1"] == reasons["B 2"] == "no such file)"
    images, _ = copied(source_with(shop, images="img/{item}.jpg"), tmp_path / "more")
    assert images.keys() == {"007"}


@pytest.mark.parametrize(
    "path", ["a\0.jpg", "data/rows.csv", "a" * 5000 + ".jpg", "img", "...", "~/a.jpg", "s3://bucket/a.jpg"]
)
def test_a_path_that_is_no_file_is_a_failure(tmp_path: Path, path: str) -> None:
    write_files(tmp_path, "img/in.jpg")
    images, report = copied(source_with(tmp_path, {"A": path}, image="photo"), tmp_path / "out")
    assert not images and report.failures.keys() == {"A"}


def test_addresses_are_downloaded_and_a_failure_is_a_missing_image(site: ImageServer, tmp_path: Path) -> None:
    site.images |= {"/i/A.jpg": RED, "/i/B%202.jpg": BLUE}
    site.images["/i/007.jpg"] = b"<html>"
    source = source_with(tmp_path, images=f"{site.address}/i/{{item}}.jpg")
    images, report = copied(source, tmp_path / "out")
    assert images == {"A": RED, "B 2": BLUE}
    assert report.downloaded == 2
    assert "status 404" in report.failures["A_1"] and "not a readable image" in report.failures["007"]
    assert report.as_dict()["failed_images"] == 2
    again = copied(source, tmp_path / "more")
    assert again[0] == images and again[1].downloaded == 0


def test_a_column_may_mix_addresses_and_files(site: ImageServer, tmp_path: Path) -> None:
    site.images["/x"] = BLUE
    write_files(tmp_path, "a.jpg")
    cells = {"A": f"{site.address}/x, {site.address}/y", "A_1": "a.jpg"}
    images, report = copied(source_with(tmp_path, cells, image="photo"), tmp_path / "out")
    assert images == {"A": BLUE, "A_1": RED} and not report.failures


def test_paths_may_start_from_an_address(site: ImageServer, tmp_path: Path) -> None:
    site.images["/media/p/a.jpg"] = BLUE
    source = source_with(tmp_path, {"A": "/p/a.jpg"}, images=f"{site.address}/media/", image="photo")
    assert copied(source, tmp_path / "out")[0] == {"A": BLUE}


def test_a_run_in_which_every_download_fails_stops(site: ImageServer, tmp_path: Path) -> None:
    source = source_with(tmp_path, images=f"{site.address}/{{item}}.jpg")
    with pytest.raises(ActionableError, match=r"None of 4 images could be downloaded.*status 404"):
        copied(source, tmp_path / "out")


def test_the_check_downloads_a_handful_only(site: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rec_assets.sources.shop.images.TRIED", 2)
    site.images |= {"/007.png": RED[:50], "/A.png": RED}
    source = source_with(tmp_path, images=f"{site.address}/{{item}}.png")
    found = {one.outcome: one.examples for one in find_problems(source)}
    assert sum(site.requests.values()) == 2
    tried = found["kept: of 2 images that were opened for a try, these count as missing"]
    assert tried[0].startswith("007: not a readable image")
    assert tried[1].startswith("A_1: ") and "status 404" in tried[1]
    assert "4 are downloads" in summarize(source).figures["images"]
