"""Tests of files as a source: exported data is read back, both file namings work, and errors name the damaged file."""

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from upath import UPath

from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.sources import open_source, read_day, read_items, read_users
from rec_assets.sources.files import FilesSource, export
from rec_assets.sources.retail import RetailSource

START = date(2025, 3, 3)


@pytest.fixture(scope="module")
def folder(shop: RetailSource, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("raw")
    export(shop, folder, [START, START + timedelta(days=1)])
    return folder


def test_exported_retail_comes_back_as_it_was(shop: RetailSource, folder: Path, tmp_path: Path) -> None:
    files = open_source(Settings(source="files", files_location=str(folder), start_date=START))
    items, users = read_items(files), read_users(files)
    assert items.frame.equals(read_items(shop).frame)
    assert users.frame.equals(read_users(shop).frame)
    for day in (START, START + timedelta(days=1)):
        checked = read_day(files, day, items.frame["item_id"], users.frame["user_id"])
        assert checked.frame.drop("role").equals(shop.interactions(day))
        assert checked.report.rows == checked.report.rows_in
    assert files.write_images(tmp_path).written == items.frame.height
    assert files.best_ranking is None


def test_days_may_be_counted_from_the_start_date(shop: RetailSource, tmp_path: Path) -> None:
    shop.interactions(START).write_parquet(tmp_path / "day_01.parquet")
    files = FilesSource(str(tmp_path), START - timedelta(days=1))
    assert files.interactions(START).equals(shop.interactions(START))
    assert files.location(START.isoformat()).endswith("day_01.parquet")


def test_a_bucket_is_read_like_a_folder(folder: Path) -> None:
    bucket = UPath("memory://shop/raw")
    for file in folder.glob("*.parquet"):
        (bucket / file.name).write_bytes(file.read_bytes())
    local, remote = FilesSource(str(folder), START), FilesSource("memory://shop/raw", START)
    assert remote.interactions(START).equals(local.interactions(START))
    assert remote.items().equals(local.items())


def test_images_and_descriptions_are_optional(folder: Path, tmp_path: Path) -> None:
    pl.read_parquet(folder / "items.parquet").write_parquet(tmp_path / "items.parquet")
    files = FilesSource(str(tmp_path), START)
    assert read_items(files).frame["product_description"].unique().to_list() == [""]
    assert files.write_images(tmp_path).written == 0


def test_images_of_items_outside_the_catalog_are_not_copied(folder: Path, tmp_path: Path) -> None:
    pl.read_parquet(folder / "items.parquet").head(2).write_parquet(tmp_path / "items.parquet")
    (tmp_path / "item_images").symlink_to(folder / "item_images")
    (tmp_path / "copied").mkdir()
    assert FilesSource(str(tmp_path), START).write_images(tmp_path / "copied").written == 2


def test_a_missing_day_names_the_file_that_should_be_there(folder: Path) -> None:
    with pytest.raises(ActionableError, match=r"2025-04-01\.parquet does not exist.*(4|5) parquet files"):
        FilesSource(str(folder), START).interactions(date(2025, 4, 1))


@pytest.mark.parametrize("keep", [0, 3, 0.5, -8])
def test_an_empty_or_truncated_file_is_named(folder: Path, tmp_path: Path, keep: float) -> None:
    whole = (folder / f"{START}.parquet").read_bytes()
    part = whole[: int(len(whole) * keep) if 0 < keep < 1 else int(keep)]
    (tmp_path / f"{START}.parquet").write_bytes(part)
    with pytest.raises(ActionableError, match=rf"{START}\.parquet \({len(part)} bytes\)"):
        FilesSource(str(tmp_path), START).interactions(START)


def test_a_file_damaged_inside_is_named(folder: Path, tmp_path: Path) -> None:
    whole = bytearray((folder / f"{START}.parquet").read_bytes())
    whole[len(whole) // 4 : len(whole) // 2] = bytes(len(whole) // 2 - len(whole) // 4)
    (tmp_path / f"{START}.parquet").write_bytes(bytes(whole))
    with pytest.raises(ActionableError, match=rf"{START}\.parquet"):
        FilesSource(str(tmp_path), START).interactions(START)


def test_descriptions_of_one_item_twice_are_refused(folder: Path, tmp_path: Path) -> None:
    for name in ("items.parquet", "item_descriptions.parquet"):
        frame = pl.read_parquet(folder / name)
        (pl.concat([frame, frame]) if name.startswith("item_") else frame).write_parquet(tmp_path / name)
    with pytest.raises(ActionableError, match=r"item_descriptions\.parquet does not hold one description per item"):
        FilesSource(str(tmp_path), START).items()


@pytest.mark.parametrize("location", ["", "/nowhere/at/all"])
def test_a_location_that_is_no_folder_is_refused_at_once(location: str) -> None:
    with pytest.raises(ActionableError, match=r"FILES_LOCATION|not a folder"):
        FilesSource(location, START)
