from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from rec_assets.features.days import whole_day

SCHEMA = {"user_id": pl.Int32, "item_id": pl.Int32, "device_type": pl.Int32, "timestamp": pl.Int64}
Row = tuple[int, int, int, int]
WriteDay = Callable[[list[Row], list[Row]], tuple[Path, Path]]


@pytest.fixture
def day(tmp_path: Path) -> WriteDay:
    def write(raw: list[Row], updates: list[Row]) -> tuple[Path, Path]:
        files = tmp_path / "raw.parquet", tmp_path / "updates.parquet"
        for file, rows in zip(files, (raw, updates), strict=True):
            pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("timestamp").write_parquet(file)
        return files

    return write


def test_without_updates_a_day_is_its_raw_file(day: WriteDay) -> None:
    raw, updates = day([(1, 10, 0, 50), (2, 10, 1, 40)], [])
    assert whole_day(raw, updates).collect().equals(pl.read_parquet(raw))


def test_missing_updates_are_added_in_time_order(day: WriteDay) -> None:
    rows = whole_day(*day([(1, 10, 0, 50), (2, 10, 1, 40)], [(3, 11, -1, 45), (1, 10, 2, 51)])).collect()
    assert rows.rows() == [(2, 10, 1, 40), (3, 11, -1, 45), (1, 10, 0, 50), (1, 10, 2, 51)]
    assert dict(rows.schema) == SCHEMA


def test_an_interaction_in_both_is_kept_once_with_the_device_of_the_raw_day(day: WriteDay) -> None:
    rows = whole_day(*day([(1, 10, 0, 50)], [(1, 10, 2, 50), (1, 10, 2, 60)])).collect()
    assert rows.rows() == [(1, 10, 0, 50), (1, 10, 2, 60)]


def test_an_empty_raw_day_gives_the_updates(day: WriteDay) -> None:
    assert whole_day(*day([], [(1, 10, 2, 50)])).collect().rows() == [(1, 10, 2, 50)]
