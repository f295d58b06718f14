"""Tests of raw days in a prefix of a real S3 server."""

from datetime import date, timedelta
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal
from s3fs import S3FileSystem

from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.sources import open_source
from rec_assets.sources.files import FilesSource, export
from rec_assets.storage.s3 import Bucket
from rec_assets_tests.s3 import BUCKET, S3

START = date(2025, 3, 3)
RAW = f"s3://{BUCKET}/landing/raw"


@pytest.fixture
def landed(s3: S3, tmp_path: Path) -> Path:
    S3FileSystem.clear_instance_cache()
    small = Settings.model_validate({"home": tmp_path, "retail_users": 50, "retail_items": 20, "days": 3})
    export(open_source(small), tmp_path / "raw", [START, START + timedelta(days=1)])
    Bucket(RAW).upload(tmp_path / "raw", "")
    return tmp_path / "raw"


def test_a_prefix_is_read_as_the_folder_it_was_copied_from(landed: Path, tmp_path: Path) -> None:
    bucket, folder = FilesSource(RAW, START), FilesSource(str(landed), START)
    assert_frame_equal(bucket.items(), folder.items())
    assert_frame_equal(bucket.users(), folder.users())
    assert_frame_equal(bucket.interactions(START), folder.interactions(START))
    (tmp_path / "images").mkdir()
    assert bucket.write_images(tmp_path / "images").written == 20
    assert bucket.location("items") == f"{RAW}/items.parquet"


def test_a_missing_day_of_a_prefix_is_named(landed: Path) -> None:
    with pytest.raises(ActionableError, match=r"2025-03-05.parquet does not exist. The folder has 5 parquet files"):
        FilesSource(RAW, START).interactions(START + timedelta(days=2))


@pytest.mark.parametrize("location", [f"s3://{BUCKET}/nothing-here", "s3://nowhere/raw"])
def test_an_empty_or_missing_prefix_is_named(s3: S3, location: str) -> None:
    with pytest.raises(ActionableError, match="REC_FILES_LOCATION"):
        FilesSource(location, START)


def test_wrong_credentials_are_named(landed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    S3FileSystem.clear_instance_cache()  # s3fs caches the first credentials
    with pytest.raises(ActionableError, match=r"(?s)s3://shop/landing/raw.*REC_FILES_LOCATION"):
        FilesSource(RAW, START)


def test_the_same_process_reads_a_day_that_is_added_later(landed: Path) -> None:
    source = FilesSource(RAW, START)
    late = START + timedelta(days=2)
    with pytest.raises(ActionableError):
        source.interactions(late)
    Bucket(RAW).upload(_folder_with_copy(landed / f"{START}.parquet", landed.parent / "late", f"{late}.parquet"), "")
    assert source.interactions(late).height == source.interactions(START).height


def _folder_with_copy(file: Path, folder: Path, name: str) -> Path:
    folder.mkdir()
    (folder / name).write_bytes(file.read_bytes())
    return folder
