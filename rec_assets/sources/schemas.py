"""The raw-data contract as declarations: columns, types, ranges, what stands for "unknown". `contract` checks it.

The only module that imports pandera, which costs three seconds: import it where a frame is checked, not at the top.
"""

import warnings
from dataclasses import dataclass, field
from datetime import date

import polars as pl

from rec_assets.sources.base import DAY_SECONDS, midnight

with warnings.catch_warnings():
    # pandera warns about the old pandas that Merlin needs; only its polars side is used here.
    warnings.simplefilter("ignore")
    import pandera.polars as pa

UNKNOWN = -1


@dataclass(frozen=True)
class Table:
    """One kind of raw file.

    Attributes:
        schema: types, ranges, nulls and uniqueness.
        fill: value that stands for a null, by column.
        optional: columns that a file may lack; they are then null before `fill`.
    """

    schema: pa.DataFrameSchema
    fill: dict[str, int | str] = field(default_factory=dict)
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
    """One UTC day of positives; device_type: 0 mobile, 1 desktop, 2 tablet, -1 or null unknown."""
    start = midnight(day)
    columns = {
        "user_id": _id(),
        "item_id": _id(),
        "device_type": _code(2),
        "timestamp": pa.Column(pl.Int64, pa.Check.in_range(start, start + DAY_SECONDS - 1)),
    }
    return Table(pa.DataFrameSchema(columns), fill={"device_type": UNKNOWN})


def users() -> Table:
    """Users; age in years; gender: 0 female, 1 male, 2 other, -1 or null unknown; no first_day: always there."""
    columns = {
        "user_id": _id(unique=True),
        "age": pa.Column(pl.Int32, pa.Check.in_range(0, 120), nullable=True),
        "gender": _code(2),
        "first_day": pa.Column(pl.Date, nullable=True),
    }
    return Table(pa.DataFrameSchema(columns), fill={"gender": UNKNOWN}, optional=("first_day",))


def items() -> Table:
    """The catalog; item_gender as a user's gender, 2 for anyone; no first_day: always there."""
    columns = {
        "item_id": _id(unique=True),
        "title": pa.Column(pl.String),
        "product_description": pa.Column(pl.String),
        "price": pa.Column(pl.Float32, pa.Check.in_range(0, float("inf"), include_min=False, include_max=False)),
        "category_l1": _id(),
        "category_l2": _id(),
        "item_gender": _code(2),
        "first_day": pa.Column(pl.Date, nullable=True),
    }
    return Table(
        pa.DataFrameSchema(columns),
        fill={"title": "", "product_description": "", "item_gender": UNKNOWN},
        optional=("title", "product_description", "first_day"),
    )
