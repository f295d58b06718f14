"""Folders as programs write them: archives, partitions, a file a day, and files that are not read."""

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.sources.shop.guess import guess_shop
from rec_assets.sources.shop.guess.groups import file_groups
from rec_assets_tests.sources.shop.opened import opened

DAYS = [date(2024, 2, 26) + timedelta(days=n) for n in range(9)]


def rows_of(day: date) -> pl.DataFrame:
    numbers = list(range(40))
    return pl.DataFrame(
        {"customer_id": [f"c{n % 11}" for n in numbers], "sku": [f"s{n % 6 + day.day}" for n in numbers]}
    )


def write(file: Path, frame: pl.DataFrame) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    if file.suffix == ".parquet":
        frame.write_parquet(file)
    else:
        frame.write_csv(file)


# Name of the file of a day.
DATED: dict[str, Callable[[date], str]] = {
    "a partition of a date": lambda day: f"dt={day}/part-0.parquet",
    "a partition of a date below a folder": lambda day: f"orders/dt={day}/part-00000-{day.day:08x}-ab.c000.csv",
    "partitions of a year, a month and a day": lambda day: f"year={day.year}/month={day.month}/day={day.day}/data.csv",
    "a file a day": lambda day: f"sales_{day}.csv",
    "a file a day without signs": lambda day: f"export/{day:%Y%m%d}.parquet",
}


@pytest.mark.parametrize("name", DATED)
def test_the_day_may_stand_in_the_name_of_a_file_or_folder(tmp_path: Path, name: str) -> None:
    for day in DAYS:
        write(tmp_path / "data" / DATED[name](day), rows_of(day))
    shop = guess_shop(tmp_path / "data", tmp_path).shop
    assert (shop.interactions.user, shop.interactions.item) == ("customer_id", "sku")
    found = opened(shop, tmp_path).rows().collect()
    days = found.select(pl.from_epoch("timestamp").dt.date())["timestamp"]
    assert days.value_counts(sort=False).sort("timestamp").rows() == [(day, 40) for day in DAYS]


def test_a_folder_of_different_tables_is_read_as_tables(tmp_path: Path) -> None:
    write(tmp_path / "archive" / "events.csv", rows_of(DAYS[0]))
    write(tmp_path / "archive" / "items.csv", pl.DataFrame({"sku": ["s1"], "title": ["Pan"]}))
    write(tmp_path / "parts" / "part-00000-3f.parquet", rows_of(DAYS[0]))
    write(tmp_path / "parts" / "part-00001-aa.parquet", rows_of(DAYS[1]))
    assert sorted(file_groups(tmp_path)) == ["archive/events.csv", "archive/items.csv", "parts"]


@pytest.mark.parametrize(
    ("file", "kind", "step"),
    [
        ("Online Retail.xlsx", "a spreadsheet", "CSV"),
        ("archive.zip", "an archive", "Unpack it"),
        ("shop.sqlite", "a database of SQLite", "sqlite3"),
        ("shop.duckdb", "a database of DuckDB", "EXPORT DATABASE"),
        ("dump.sql", "a dump", "export the tables"),
    ],
)
def test_a_file_of_another_kind_is_named_with_the_next_step(tmp_path: Path, file: str, kind: str, step: str) -> None:
    (tmp_path / file).write_bytes(b"\x00")
    for location in (tmp_path, tmp_path / file):
        with pytest.raises(ActionableError, match=f"{file} is {kind}") as raised:
            guess_shop(location, tmp_path)
        assert step in raised.value.next_step
    write(tmp_path / "customers.csv", pl.DataFrame({"customer_id": range(30), "age": range(30)}))
    with pytest.raises(ActionableError, match=rf"has no table with users, items and times.*{file} is {kind}"):
        guess_shop(tmp_path, tmp_path)
    write(tmp_path / "orders.csv", rows_of(DAYS[0]).with_columns(bought_at=pl.lit("2024-02-26")))
    notes = guess_shop(tmp_path, tmp_path).notes
    assert any(f"left out: {file} is {kind}" in note and step in note for note in notes)
