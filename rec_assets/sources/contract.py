"""Applies the raw-data contract: casts, checks and counts rows, and raises ActionableError for invalid data.

Later steps do not check raw data again. `schemas` declares the columns.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import TYPE_CHECKING

import polars as pl

from rec_assets.common.errors import ActionableError
from rec_assets.sources.base import ATTRIBUTES
from rec_assets.sources.roles import HISTORY, ROLE, SEEN

if TYPE_CHECKING:
    from rec_assets.sources.schemas import Table

SHOWN_VALUES = 5
TITLE_WORDS = 6


@dataclass(frozen=True)
class Report:
    """Row counts of one file; `unknown_users`, `only_history` and `only_filter` count rows that are kept."""

    rows_in: int
    rows: int
    duplicates_dropped: int = 0
    unknown_items_dropped: int = 0
    unknown_users: int = 0
    only_history: int = 0
    only_filter: int = 0

    def as_dict(self) -> dict[str, int]:
        """Returns the counts by name, for metadata."""
        return asdict(self)


@dataclass(frozen=True)
class Checked:
    """A frame that satisfies the contract, and the report of the check."""

    frame: pl.DataFrame
    report: Report


def check_interactions(
    frame: pl.DataFrame, day: date, file: str, known_items: pl.Series, known_users: pl.Series
) -> Checked:
    """Checks one day of interactions.

    Rows of items outside the catalog and duplicates are dropped and counted. Rows that differ in the role alone are
    duplicates if both are history: the row that teaches is kept. Rows of unknown users are kept and
    counted: these are cold users. A frame without rows is a valid, empty day.

    Args:
        frame: user_id, item_id, device_type, timestamp, role; other columns are dropped.
        day: the UTC day of all timestamps.
        file: name of the file for error messages.
        known_items: item ids of the catalog.
        known_users: user ids of the users file.

    Returns:
        user_id int32, item_id int32, device_type int32, timestamp int64, role int32, sorted by timestamp, user_id,
        item_id.

    Raises:
        ActionableError: a column is missing, has another type, or has values out of range.
    """
    from rec_assets.sources import schemas

    table = schemas.interactions(day)
    shaped = _shaped(frame, table, file)
    _validate(shaped, table, file, f"ids >= 0, known codes, and `timestamp` in unix seconds of {day} UTC")
    distinct = shaped.sort(ROLE).with_columns(filters=pl.col(ROLE) == SEEN)
    distinct = distinct.unique(["user_id", "item_id", "device_type", "timestamp", "filters"], keep="first").drop(
        "filters"
    )
    kept = distinct.filter(pl.col("item_id").is_in(known_items.cast(pl.Int32).implode()))
    report = Report(
        rows_in=frame.height,
        rows=kept.height,
        duplicates_dropped=frame.height - distinct.height,
        unknown_items_dropped=distinct.height - kept.height,
        unknown_users=kept.filter(~pl.col("user_id").is_in(known_users.cast(pl.Int32).implode())).height,
        only_history=kept.filter(pl.col(ROLE) == HISTORY).height,
        only_filter=kept.filter(pl.col(ROLE) == SEEN).height,
    )
    return Checked(kept.sort("timestamp", "user_id", "item_id", "device_type", ROLE), report)


def require_known_items(report: Report, file: str, most: float) -> None:
    """Raises ActionableError if more than the share `most` of a day's rows has items outside the catalog."""
    distinct = report.rows_in - report.duplicates_dropped
    if distinct and report.unknown_items_dropped > most * distinct:
        raise ActionableError(
            f"{file}: {report.unknown_items_dropped} of {distinct} interactions are with items outside the catalog.",
            "Export the catalog of this day too, or raise REC_MAX_UNKNOWN_SHARE.",
        )


def check_users(frame: pl.DataFrame, file: str) -> Checked:
    """Checks the users.

    Returns:
        user_id int32, age int32 or null, gender int32, first_day date or null, sorted by user_id.

    Raises:
        ActionableError: a column is missing, has another type or values out of range, or different rows share an id.
    """
    from rec_assets.sources import schemas

    return _keyed(frame, schemas.users(), file, "user_id")


def check_items(frame: pl.DataFrame, file: str) -> Checked:
    """Checks the catalog and gives every item a title.

    Returns:
        item_id int32, title str, product_description str, price float32 or null, category_l1 int32, category_l2 int32,
        item_gender int32, first_day date or null, available bool, sorted by item_id. A missing title becomes the
        first words of the description, or "Item <id>" without a description. Also brand int32, margin and stock
        float32 or null: each only if the catalog has a known value.

    Raises:
        ActionableError: the frame is empty, a column is missing, has another type or values out of range, or
            different rows share an id.
    """
    from rec_assets.sources import schemas

    if frame.is_empty():
        raise ActionableError(f"{file} has no rows.", "Write one row per item; a catalog needs at least one.")
    checked = _keyed(frame, schemas.items(), file, "item_id")
    opening = pl.col("product_description").str.split(" ").list.head(TITLE_WORDS).list.join(" ").str.strip_chars(" .,")
    numbered = pl.format("Item {}", "item_id")
    title = pl.coalesce(pl.when(text.str.len_chars() > 0).then(text) for text in (pl.col("title"), opening, numbered))
    # A price of 0 stands for a missing one in exports.
    price = pl.when(pl.col("price") > 0).then(pl.col("price"))
    items = checked.frame.with_columns(title=title, price=price)
    known = {"brand": pl.col("brand") >= 0, **{name: pl.col(name).is_not_null() for name in ("margin", "stock")}}
    absent = [name for name in ATTRIBUTES if not items.select(known[name].any()).item()]
    return Checked(items.drop(absent), checked.report)


def _keyed(frame: pl.DataFrame, table: Table, file: str, key: str) -> Checked:
    """Validates a table with one row per key; drops and counts exact duplicates first."""
    distinct = _shaped(frame, table, file).unique()
    _validate(distinct, table, file, f"one row per {key}, as declared in `rec_assets.sources.schemas`")
    return Checked(distinct.sort(key), Report(frame.height, distinct.height, frame.height - distinct.height))


def _shaped(frame: pl.DataFrame, table: Table, file: str) -> pl.DataFrame:
    """Returns the table's columns, cast and filled; raises ActionableError for a missing or mistyped column."""
    return frame.select(_cast(frame, name, dtype, table, file) for name, dtype in table.dtypes.items())


def _validate(frame: pl.DataFrame, table: Table, file: str, requirement: str) -> None:
    """Raises ActionableError with the name of the first invalid column and its first invalid values."""
    from pandera.errors import SchemaErrors

    try:
        table.schema.validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases
        column, check = cases.row(0, named=True)["column"], cases.row(0, named=True)["check"]
        rows = cases.filter((pl.col("column") == column) & (pl.col("check") == check))["index"]
        values = frame[column].gather(rows.head(SHOWN_VALUES).cast(pl.UInt32)).to_list()
        raise ActionableError(
            f"{file}: column '{column}' must be {_readable(check)}, but is not in {rows.len()} of {frame.height} rows "
            f"(first values: {', '.join(map(str, values))}).",
            f"Correct these rows. The contract requires {requirement}.",
        ) from error


def _readable(check: str) -> str:
    """Returns a check of pandera in words: `in_range(0, inf)` → "0 or larger"."""
    names = {"field_uniqueness": "unique", "not_nullable": "given"}
    name, _, arguments = check.removesuffix(")").partition("(")
    if name == "greater_than_or_equal_to":
        return f"{arguments} or larger"
    if name == "in_range":
        smallest, largest = arguments.split(", ")[:2]
        return f"{smallest} or larger" if largest == "inf" else f"{smallest} to {largest}"
    return names.get(check, check.replace("_", " "))


def _cast(frame: pl.DataFrame, name: str, dtype: pl.DataType, table: Table, file: str) -> pl.Series:
    """Returns one column in its type; numbers are cast if the cast is lossless, other types raise ActionableError."""
    if name not in frame.columns:
        if name not in table.optional:
            raise ActionableError(
                f"{file} has no column '{name}' (rows: {frame.height}, columns: {', '.join(frame.columns)}).",
                f"Write a column '{name}' of type {dtype}.",
            )
        column = pl.Series(name, [None], dtype).new_from_index(0, frame.height)
    else:
        column = _lossless(_without_nan(frame[name]), dtype, file)
    return column.fill_null(table.fill[name]) if name in table.fill else column


def _without_nan(column: pl.Series) -> pl.Series:
    """Replaces NaN, which pandas writes for a missing number, by null."""
    return column.fill_nan(None) if column.dtype.is_float() else column


def _lossless(column: pl.Series, dtype: pl.DataType, file: str) -> pl.Series:
    if column.dtype == dtype:
        return column
    numeric = column.dtype.is_numeric() and dtype.is_numeric()
    if not numeric and column.dtype != pl.Null:
        raise ActionableError(
            f"{file}: column '{column.name}' is {column.dtype}, not {dtype}, in all {column.len()} rows "
            f"(first values: {', '.join(map(str, column.head(SHOWN_VALUES).to_list()))}).",
            f"Write '{column.name}' as {dtype}. Only numbers are cast; strings and dates are not converted.",
        )
    cast = column.cast(dtype, strict=False)
    if dtype.is_integer():
        lost = column.filter(~cast.cast(column.dtype).eq_missing(column))
        if not lost.is_empty():
            raise ActionableError(
                f"{file}: column '{column.name}' does not fit {dtype} in {lost.len()} of {column.len()} rows "
                f"(first values: {', '.join(map(str, lost.head(SHOWN_VALUES).to_list()))}).",
                f"Write '{column.name}' as whole numbers within the range of {dtype}.",
            )
    return cast
