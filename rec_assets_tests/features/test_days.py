from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from rec_assets.features.days import UNKNOWN_KIND, whole_day, with_kind
from rec_assets.sources.roles import HISTORY, READ, SEEN, TARGET, online_role, only_roles

SCHEMA = {"user_id": pl.Int32, "item_id": pl.Int32, "device_type": pl.Int32, "timestamp": pl.Int64, "role": pl.Int32}
Row = tuple[int, int, int, int, int]
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
    raw, updates = day([(1, 10, 0, 50, 0), (2, 10, 1, 40, 0)], [])
    assert whole_day(raw, updates).collect().equals(pl.read_parquet(raw))


def test_missing_updates_are_added_in_time_order(day: WriteDay) -> None:
    rows = whole_day(*day([(1, 10, 0, 50, 0), (2, 10, 1, 40, 0)], [(3, 11, -1, 45, 0), (1, 10, 2, 51, 0)])).collect()
    assert rows.rows() == [(2, 10, 1, 40, 0), (3, 11, -1, 45, 0), (1, 10, 0, 50, 0), (1, 10, 2, 51, 0)]
    assert dict(rows.schema) == SCHEMA


def test_an_interaction_in_both_is_kept_once_with_the_device_of_the_raw_day(day: WriteDay) -> None:
    rows = whole_day(*day([(1, 10, 0, 50, 0)], [(1, 10, 2, 50, 0), (1, 10, 2, 60, 0)])).collect()
    assert rows.rows() == [(1, 10, 0, 50, 0), (1, 10, 2, 60, 0)]


def test_an_empty_raw_day_gives_the_updates(day: WriteDay) -> None:
    assert whole_day(*day([], [(1, 10, 2, 50, 0)])).collect().rows() == [(1, 10, 2, 50, 0)]


def test_rows_of_a_day_have_the_roles_that_a_reader_asks_for(day: WriteDay) -> None:
    raw, updates = day(
        [(1, 10, 0, 50, TARGET), (1, 11, 0, 51, HISTORY), (1, 12, 0, 52, SEEN)], [(2, 13, 0, 53, HISTORY)]
    )
    rows = whole_day(raw, updates)
    found = {roles: only_roles(rows, *roles).collect()["item_id"].to_list() for roles in (READ, (TARGET,), (SEEN,))}
    assert found == {READ: [10, 11, 13], (TARGET,): [10], (SEEN,): [12]}


def test_days_without_the_column_teach(day: WriteDay) -> None:
    raw, updates = day([(1, 10, 0, 50, SEEN)], [(2, 13, 0, 53, HISTORY)])
    for file in (raw, updates):
        pl.read_parquet(file).drop("role").write_parquet(file)
    assert whole_day(raw, updates).collect()["role"].to_list() == [TARGET, TARGET]


@pytest.mark.parametrize(("clicks_teach", "roles"), [(True, [TARGET, TARGET]), (False, [HISTORY, TARGET])])
def test_online_clicks_teach_unless_the_shop_says_that_views_are_history(clicks_teach: bool, roles: list[int]) -> None:
    events = pl.DataFrame({"kind": ["clicked", "bought"]}).with_columns(online_role(clicks_teach=clicks_teach))
    assert events["role"].to_list() == roles


def test_an_interaction_has_the_kind_of_its_online_event(day: WriteDay) -> None:
    raw, updates = day([(1, 10, 0, 50, 0), (2, 10, 1, 40, 0)], [(3, 11, -1, 45, 0), (1, 10, 2, 50, 0)])
    kinds = pl.Series("kind", ["clicked", "bought"])  # in the order of time
    without = with_kind(whole_day(raw, updates), updates).collect()
    pl.read_parquet(updates).with_columns(kinds).write_parquet(updates)
    rows = with_kind(whole_day(raw, updates), updates).select("user_id", "kind").collect()
    assert sorted(rows.rows()) == [(1, "bought"), (2, UNKNOWN_KIND), (3, "clicked")]
    assert without["kind"].to_list() == [UNKNOWN_KIND] * 3
