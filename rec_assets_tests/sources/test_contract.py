"""Tests of the raw-data contract: valid rows, dropped and counted rows, and error messages."""

from datetime import date
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.common.errors import ActionableError
from rec_assets.sources import Checked, Report, check_interactions, check_items, check_users, require_known_items

DAY = date(2025, 3, 3)
MIDNIGHT = 1_740_960_000
KNOWN = pl.Series([1, 2, 3], dtype=pl.Int32)


def rows(**columns: Any) -> pl.DataFrame:
    good = {
        "user_id": pl.Series([1, 2, 1], dtype=pl.Int32),
        "item_id": pl.Series([3, 2, 1], dtype=pl.Int32),
        "device_type": pl.Series([0, -1, 2], dtype=pl.Int32),
        "timestamp": pl.Series([MIDNIGHT + 86_399, MIDNIGHT, MIDNIGHT + 7], dtype=pl.Int64),
    }
    return pl.DataFrame({**good, **columns})


def items(**columns: Any) -> pl.DataFrame:
    good = {
        "item_id": pl.Series([2, 1], dtype=pl.Int32),
        "title": ["Walnut reading lamp", None],
        "product_description": ["", "A chair, made for reading by the window."],
        "price": pl.Series([9.95, 120.0], dtype=pl.Float32),
        "category_l1": pl.Series([0, 1], dtype=pl.Int32),
        "category_l2": pl.Series([0, 5], dtype=pl.Int32),
        "item_gender": pl.Series([-1, 2], dtype=pl.Int32),
    }
    return pl.DataFrame({**good, **columns})


def users(**columns: Any) -> pl.DataFrame:
    good = {
        "user_id": pl.Series([2, 1], dtype=pl.Int32),
        "age": pl.Series([None, 44], dtype=pl.Int32),
        "gender": pl.Series([-1, 1], dtype=pl.Int32),
    }
    return pl.DataFrame({**good, **columns})


def check(frame: pl.DataFrame) -> Checked:
    return check_interactions(frame, DAY, "raw/2025-03-03.parquet", KNOWN, KNOWN)


def test_good_rows_are_returned_sorted_in_the_types_of_the_contract() -> None:
    checked = check(rows())
    assert checked.frame["timestamp"].is_sorted()
    assert checked.frame.schema == {
        "user_id": pl.Int32,
        "item_id": pl.Int32,
        "device_type": pl.Int32,
        "timestamp": pl.Int64,
        "role": pl.Int32,
    }
    assert checked.report.as_dict() == {
        "rows_in": 3,
        "rows": 3,
        "duplicates_dropped": 0,
        "unknown_items_dropped": 0,
        "unknown_users": 0,
        "only_history": 0,
        "only_filter": 0,
    }


def test_roles_are_counted_and_a_row_that_teaches_replaces_the_same_row_of_history() -> None:
    four = pl.concat([rows().head(1)] * 4).with_columns(role=pl.Series([1, 0, 2, 1], dtype=pl.Int32))
    checked = check(pl.concat([four, rows().tail(1).with_columns(role=pl.lit(1, pl.Int32))]))
    assert sorted(checked.frame["role"].to_list()) == [0, 1, 2]
    report = checked.report
    assert (report.duplicates_dropped, report.only_history, report.only_filter) == (2, 1, 1)


def test_a_day_without_rows_is_a_valid_empty_day() -> None:
    checked = check(rows().clear())
    assert checked.frame.is_empty()
    assert checked.frame.schema["timestamp"] == pl.Int64


def test_duplicates_and_items_outside_the_catalog_are_dropped_and_unknown_users_kept_all_counted() -> None:
    odd = rows(user_id=pl.Series([9, 1, 1], dtype=pl.Int32), item_id=pl.Series([3, 99, 1], dtype=pl.Int32))
    report = check(pl.concat([odd, odd])).report
    assert (report.rows_in, report.duplicates_dropped, report.unknown_items_dropped) == (6, 3, 1)
    assert (report.rows, report.unknown_users) == (2, 1)


def test_an_unknown_device_may_be_null_and_further_columns_are_left_out() -> None:
    checked = check(rows(device_type=pl.Series([None, 1, None], dtype=pl.Int32), event_type=["view"] * 3))
    assert sorted(checked.frame["device_type"]) == [-1, -1, 1]
    assert "event_type" not in checked.frame.columns


@pytest.mark.parametrize("dtype", [pl.Int8, pl.UInt64, pl.Int64, pl.Float64])
def test_numbers_are_cast_where_nothing_is_lost(dtype: pl.DataType) -> None:
    assert check(rows(item_id=rows()["item_id"].cast(dtype))).frame.schema["item_id"] == pl.Int32


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"user_id": ["1", "2", "3"]}, ["'user_id'", "String", "3 rows", "1, 2, 3"]),
        ({"user_id": [2**40, 1, 2]}, ["'user_id'", "Int32", "1 of 3", str(2**40)]),
        ({"item_id": [1.5, 2.0, 3.0]}, ["'item_id'", "1 of 3", "1.5"]),
        ({"item_id": [-4, 2, 3]}, ["'item_id'", "0 or larger", "1 of 3", "-4"]),
        ({"item_id": [None, 2, 3]}, ["'item_id'", "must be given", "1 of 3"]),
        ({"item_id": [None, None, None]}, ["'item_id'", "must be given", "3 of 3"]),
        ({"device_type": [0, 3, 7]}, ["'device_type'", "2 of 3", "3, 7"]),
        ({"timestamp": [MIDNIGHT - 1, MIDNIGHT, MIDNIGHT + 86_400]}, ["'timestamp'", "2 of 3", str(MIDNIGHT - 1)]),
        ({"timestamp": [DAY, DAY, DAY]}, ["'timestamp'", "Date"]),
    ],
)
def test_the_error_of_a_bad_column_has_file_column_count_and_values(
    columns: dict[str, Any], expected: list[str]
) -> None:
    with pytest.raises(ActionableError) as error:
        check(rows(**columns))
    for text in ("raw/2025-03-03.parquet", *expected):
        assert text in error.value.problem


@pytest.mark.parametrize("column", ["user_id", "item_id", "timestamp"])
def test_a_missing_column_is_named(column: str) -> None:
    with pytest.raises(ActionableError, match=f"no column '{column}'"):
        check(rows().drop(column))


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(-1, 2), st.integers(0, 86_399)), max_size=40)
)
def test_every_row_is_kept_or_counted_and_checking_again_changes_nothing(drawn: list[tuple[int, ...]]) -> None:
    frame = pl.DataFrame(
        np.array(drawn, np.int64).reshape(-1, 4), ["user_id", "item_id", "device_type", "timestamp"]
    ).with_columns(pl.col("timestamp") + MIDNIGHT)
    once = check(frame)
    report = once.report
    assert report.rows_in == report.rows + report.duplicates_dropped + report.unknown_items_dropped
    again = check(once.frame)
    assert again.frame.equals(once.frame)
    assert again.report.rows == again.report.rows_in


def test_items_get_titles_from_descriptions_and_numbers() -> None:
    frame = items(title=["", None], product_description=[None, "A chair, made for reading by the window."])
    checked = check_items(frame, "items.parquet").frame
    assert checked.select("item_id", "title", "product_description").rows() == [
        (1, "A chair, made for reading by", "A chair, made for reading by the window."),
        (2, "Item 2", ""),
    ]
    assert check_items(items().drop("title"), "items.parquet").frame["title"][1] == "Item 2"


def test_a_missing_first_day_means_always_there() -> None:
    assert check_items(items(), "items.parquet").frame["first_day"].to_list() == [None, None]
    assert check_users(users(first_day=[DAY, None]), "users.parquet").frame["first_day"].to_list() == [None, DAY]


@pytest.mark.parametrize(
    ("columns", "column"),
    [
        ({"price": pl.Series([-0.5, 1.0], dtype=pl.Float32)}, "price"),
        ({"price": pl.Series([float("inf"), 1.0], dtype=pl.Float64)}, "price"),
        ({"item_id": [1, 1]}, "item_id"),
        ({"category_l1": [-2, 0]}, "category_l1"),
        ({"item_gender": [3, 0]}, "item_gender"),
        ({"title": [1, 2]}, "title"),
        ({"brand": [-2, 0]}, "brand"),
        ({"stock": [float("inf"), 0.0]}, "stock"),
    ],
)
def test_a_bad_catalog_is_refused(columns: dict[str, Any], column: str) -> None:
    with pytest.raises(ActionableError, match=rf"items\.parquet: column '{column}'"):
        check_items(items(**columns), "items.parquet")


def test_what_a_shop_does_not_know_is_unknown_and_no_error() -> None:
    checked = check_items(items(price=[0.0, float("nan")]).select("item_id", "price"), "items.parquet").frame
    assert checked["price"].to_list() == [None, None]
    assert checked.select("category_l1", "category_l2", "item_gender").unique().rows() == [(-1, -1, -1)]
    assert checked["title"].to_list() == ["Item 1", "Item 2"]
    assert (
        check_users(users().select("user_id"), "users.parquet").frame.select("age", "gender").rows() == [(None, -1)] * 2
    )
    assert check(rows().drop("device_type")).frame["device_type"].unique().to_list() == [-1]


def test_a_catalog_has_only_the_attributes_that_some_item_has() -> None:
    assert not {"brand", "margin", "stock"} & set(check_items(items(), "items.parquet").frame.columns)
    given = items(brand=[None, None], margin=[-0.5, None], stock=[float("nan"), None])
    frame = check_items(given, "items.parquet").frame
    assert frame.select("item_id", "margin").rows() == [(1, None), (2, -0.5)]
    assert not {"brand", "stock"} & set(frame.columns)


def test_an_empty_catalog_is_refused() -> None:
    with pytest.raises(ActionableError, match=r"items\.parquet has no rows"):
        check_items(items().clear(), "items.parquet")


def test_users_are_sorted_null_gender_is_unknown_and_exact_duplicates_are_dropped() -> None:
    frame = users(gender=pl.Series([None, 1], dtype=pl.Int32))
    checked = check_users(pl.concat([frame, frame]), "users.parquet")
    assert checked.frame.drop("first_day").rows() == [(1, 44, 1), (2, None, -1)]
    assert checked.report.duplicates_dropped == 2


@pytest.mark.parametrize(("columns", "column"), [({"age": [130, 3]}, "age"), ({"user_id": [1, 1]}, "user_id")])
def test_bad_users_are_refused(columns: dict[str, Any], column: str) -> None:
    with pytest.raises(ActionableError, match=rf"users\.parquet: column '{column}'"):
        check_users(users(**columns), "users.parquet")


@pytest.mark.parametrize(("unknown", "refused"), [(0, False), (5, False), (6, True), (10, True)])
def test_a_day_of_unknown_items_is_refused(unknown: int, refused: bool) -> None:
    report = Report(rows_in=12, rows=10 - unknown, duplicates_dropped=2, unknown_items_dropped=unknown)
    if not refused:
        return require_known_items(report, "day", 0.5)
    with pytest.raises(ActionableError, match=f"{unknown} of 10 interactions are with items outside the catalog"):
        require_known_items(report, "day", 0.5)
