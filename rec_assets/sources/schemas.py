"""Declares the raw-data contract: columns, types, ranges and codes for "unknown". `contract` applies it.

Only this module imports pandera, which takes three seconds. Import this module inside the functions that check frames.
"""

import warnings
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from rec_assets.common.units import DAY_SECONDS
from rec_assets.sources.base import ATTRIBUTES, midnight
from rec_assets.sources.roles import ROLE, SEEN, TARGET

with warnings.catch_warnings():
    # pandera warns about the old pandas that Merlin needs, but this module uses only pandera's polars API.
    warnings.simplefilter("ignore")
    import pandera.polars as pa

UNKNOWN = -1
LARGEST = 3e38  # below the largest float32
FINITE = pa.Check.in_range(-LARGEST, LARGEST)
CODES = ("category_l1", "category_l2", "item_gender")  # of items


@dataclass(frozen=True)
class Table:
    """One kind of raw file.

    Attributes:
        schema: types, ranges, nulls and uniqueness.
        fill: replacement value for nulls, by column.
        optional: columns that may be missing from a file. A missing column is null before `fill`.
    """

    schema: pa.DataFrameSchema
    fill: dict[str, int | str | bool] = field(default_factory=dict)
    optional: tuple[str, ...] = ()

    @property
    def dtypes(self) -> dict[str, pl.DataType]:
        """Polars type by column, in the order of the checked frame."""
        return {name: column.dtype.type for name, column in self.schema.columns.items()}


def _id(unique: bool = False) -> pa.Column:
    return pa.Column(pl.Int32, pa.Check.ge(0), unique=unique)


def _code(largest: int) -> pa.Column:
    return pa.Column(pl.Int32, pa.Check.in_range(UNKNOWN, largest))


def interactions(day: date) -> Table:
    """Returns the table of one UTC day.

    Devices: 0 mobile, 1 desktop, 2 tablet, -1 or null unknown.
    Roles: 0 or null teaches, 1 is only history, 2 only filters.
    """
    start = midnight(day)
    columns = {
        "user_id": _id(),
        "item_id": _id(),
        "device_type": _code(2),
        "timestamp": pa.Column(pl.Int64, pa.Check.in_range(start, start + DAY_SECONDS - 1)),
        ROLE: pa.Column(pl.Int32, pa.Check.in_range(TARGET, SEEN)),
    }
    fill: dict[str, int | str | bool] = {"device_type": UNKNOWN, ROLE: TARGET}
    return Table(pa.DataFrameSchema(columns), fill, optional=tuple(fill))


def users() -> Table:
    """Returns the table of users.

    Age is in years. Gender: 0 female, 1 male, 2 other, -1 or null unknown. A user without first_day has always existed.
    """
    columns = {
        "user_id": _id(unique=True),
        "age": pa.Column(pl.Int32, pa.Check.in_range(0, 120), nullable=True),
        "gender": _code(2),
        "first_day": pa.Column(pl.Date, nullable=True),
    }
    return Table(pa.DataFrameSchema(columns), fill={"gender": UNKNOWN}, optional=("age", "gender", "first_day"))


def items() -> Table:
    """Returns the table of the catalog.

    Categories are codes from 0, -1 or null unknown. item_gender has the codes of a user's gender; 2 means for anyone.
    A price of null or 0 is unknown. An item without first_day has always existed. An item that is not available, such
    as one that is out of stock, is trained on and never shown. Brands are codes from 0, -1 or null unknown; margin and
    stock are any finite numbers, null unknown.
    """
    columns = {
        "item_id": _id(unique=True),
        "title": pa.Column(pl.String),
        "product_description": pa.Column(pl.String),
        "price": pa.Column(pl.Float32, pa.Check.in_range(0, float("inf"), include_max=False), nullable=True),
        "category_l1": pa.Column(pl.Int32, pa.Check.ge(UNKNOWN)),
        "category_l2": pa.Column(pl.Int32, pa.Check.ge(UNKNOWN)),
        "item_gender": _code(2),
        "first_day": pa.Column(pl.Date, nullable=True),
        "available": pa.Column(pl.Boolean),
        "brand": pa.Column(pl.Int32, pa.Check.ge(UNKNOWN)),
        "margin": pa.Column(pl.Float32, FINITE, nullable=True),
        "stock": pa.Column(pl.Float32, FINITE, nullable=True),
    }
    return Table(
        pa.DataFrameSchema(columns),
        fill={
            "available": True,
            "title": "",
            "product_description": "",
            "category_l1": UNKNOWN,
            "category_l2": UNKNOWN,
            "item_gender": UNKNOWN,
            "brand": UNKNOWN,
        },
        optional=("title", "product_description", "price", *CODES, "first_day", "available", *ATTRIBUTES),
    )
