"""Reads the attributes of a shop's items and users, from tables of their own or from columns of the interactions."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import polars as pl

from rec_assets.common.errors import ActionableError
from rec_assets.common.file_limits import FileLimits
from rec_assets.sources.forgotten import Forgotten
from rec_assets.sources.shop import values
from rec_assets.sources.shop.category_paths import levels_of
from rec_assets.sources.shop.mapping import Rows, Shop
from rec_assets.sources.shop.tables import connect, open_table

TEXTS = ("item", "title", "description", "category_l1", "category_l2", "brand", "image")


@dataclass(frozen=True)
class ShopTables:
    """Opens the tables of a mapping.

    Attributes:
        shop: the mapping.
        base: folder that relative paths of the mapping start from.
        limits: largest sizes of data files.
        forgotten: people whose rows of interactions are left out.
    """

    shop: Shop
    base: Path
    limits: FileLimits
    forgotten: Forgotten

    def open(self, rows: Rows, columns: Sequence[str], name: str) -> duckdb.DuckDBPyConnection:
        """Returns a connection in which a table has a name.

        Raises:
            ActionableError: the files are not readable, or a column is missing ("" is no column).
        """
        connection = connect(self.shop.timezone, self.base, self.shop.days)
        table = open_table(connection, rows, self.base, self.limits)
        if missing := [column for column in columns if column and column not in table.columns]:
            raise ActionableError(
                f"The table has no column {', '.join(missing)} (columns: {', '.join(table.columns)}).",
                "Correct the column in the mapping.",
            )
        connection.register(name, table)
        return connection

    @property
    def stays(self) -> str:
        """The SQL condition of interactions that belong to nobody who was forgotten."""
        rows = self.shop.interactions
        return self.forgotten.stays(values.identifier(rows.user), values.moment(rows))


def read_items(tables: ShopTables, arrivals: pl.DataFrame) -> pl.DataFrame:
    """Reads every item.

    Args:
        tables: the tables of the mapping.
        arrivals: item and first_day of every item of the interactions.

    Returns:
        Text columns item, title, description, category_l1, category_l2, brand, image; price, margin, stock,
        item_gender, available, first_day.
    """
    mapping, rows = tables.shop.items, tables.shop.interactions
    item, categories = mapping.item or rows.item, mapping.categories[:2]
    named = (mapping.title, mapping.description, mapping.price, mapping.gender, mapping.first_day, mapping.available)
    attributes = (mapping.brand, mapping.margin, mapping.stock, mapping.image)
    connection = tables.open(
        mapping if mapping.is_given else rows, (item, *named, *attributes, *categories), "items_of_the_shop"
    )
    first, second = _levels(connection, categories, mapping.category_separator)
    arrival = f"min({values.seconds(mapping.first_day)})" if mapping.first_day else "NULL"
    known = connection.sql(
        f"SELECT {values.identifier(item)} AS item, {_most_common(mapping.title)} AS title, "
        f"{_most_common(mapping.description)} AS description, mode({first}) AS category_l1, "
        f"mode({second}) AS category_l2, "
        f"{f'median({values.price(mapping.price)})' if mapping.price else 'NULL'} AS price, "
        f"{f'mode({values.words(mapping.brand)})' if mapping.brand else 'NULL'} AS brand, "
        f"{f'mode({values.identifier(mapping.image)})' if mapping.image else 'NULL'} AS image, "
        f"{f'median({values.number(mapping.margin)})' if mapping.margin else 'NULL'} AS margin, "
        f"{f'median({values.number(mapping.stock)})' if mapping.stock else 'NULL'} AS stock, "
        f"{f'mode({values.gender(mapping.gender)})' if mapping.gender else '-1'} AS item_gender, "
        f"{f'bool_or({values.available(mapping.available)})' if mapping.available else 'true'} AS available, "
        f"CAST(to_timestamp({arrival}) AS DATE) AS arrival FROM items_of_the_shop "
        f"WHERE {'TRUE' if mapping.is_given else tables.stays} GROUP BY 1 ORDER BY 1"
    ).pl()
    known = known.filter(pl.col("item").is_not_null())
    if mapping.is_given:
        arrivals = arrivals.clear()  # an item of the table has always been there
        known = _with_paid_prices(known, tables)
    else:
        known = known.join(arrivals, on="item", how="semi")
    return known.join(arrivals, on="item", how="left").select(
        *(pl.col(name).cast(pl.String) for name in TEXTS),
        *(pl.col(name).cast(pl.Float32) for name in ("price", "margin", "stock")),
        pl.col("item_gender").cast(pl.Int32),
        "available",
        first_day=pl.coalesce(pl.col("arrival").cast(pl.Date), "first_day"),
    )


def read_users(tables: ShopTables, arrivals: pl.DataFrame) -> pl.DataFrame:
    """Reads every user; arguments as for `read_items`.

    Returns:
        Text column user, and age, gender, first_day.
    """
    mapping, rows = tables.shop.users, tables.shop.interactions
    if not (mapping.is_given or mapping.age or mapping.birth_year or mapping.gender):
        return arrivals.select("user", "first_day", age=pl.lit(None, pl.Int32), gender=pl.lit(-1, pl.Int32))
    user = mapping.user or rows.user
    columns = (user, mapping.age, mapping.birth_year, mapping.gender)
    connection = tables.open(mapping if mapping.is_given else rows, columns, "users_of_the_shop")
    age = values.whole(mapping.age) if mapping.age else "NULL"
    if mapping.birth_year:
        age = f"{tables.shop.days.first.year} - {values.year(mapping.birth_year)}"
    known = connection.sql(
        f"SELECT {values.identifier(user)} AS user, mode({age}) AS age, "
        f"{f'mode({values.gender(mapping.gender)})' if mapping.gender else '-1'} AS gender "
        f"FROM users_of_the_shop GROUP BY 1 ORDER BY 1"
    ).pl()
    gone = tables.forgotten.hides(known["user"]) & ~known["user"].is_in(arrivals["user"].implode())
    users = arrivals.join(known.filter(~gone), on="user", how="full", coalesce=True)
    known_age = pl.col("age").cast(pl.Int32)
    return (
        users.filter(pl.col("user").is_not_null())
        .sort("user")
        .select(
            "user",
            # A user of a table has always been there.
            pl.when(pl.col("user").is_in(known["user"].implode()) & mapping.is_given)
            .then(None)
            .otherwise("first_day")
            .alias("first_day"),
            age=pl.when(known_age.is_between(0, 120)).then(known_age),
            gender=pl.col("gender").cast(pl.Int32).fill_null(-1),
        )
    )


def _with_paid_prices(items: pl.DataFrame, tables: ShopTables) -> pl.DataFrame:
    """Returns items with the median price of their interactions where they have no price."""
    rows = tables.shop.interactions
    if not rows.price:
        return items
    connection = tables.open(rows, (rows.item, rows.price), "rows_of_the_shop")
    paid = connection.sql(
        f"SELECT {values.identifier(rows.item)} AS item, median({values.price(rows.price)}) AS paid "
        f"FROM rows_of_the_shop WHERE {values.condition(rows)} AND {tables.stays} GROUP BY 1"
    ).pl()
    priced = items.join(paid, on="item", how="left", maintain_order="left")
    return priced.with_columns(price=pl.coalesce("price", "paid")).drop("paid")


def _levels(connection: duckdb.DuckDBPyConnection, categories: Sequence[str], separator: str) -> tuple[str, str]:
    """Returns SQL of both category levels.

    A level below begins with the level above, so equal names in two categories stay apart.
    """
    if not categories:
        return "NULL", "NULL"
    if separator:
        return levels_of(connection, "items_of_the_shop", categories[0], separator)
    if len(categories) == 1:
        return values.words(categories[0]), values.words(categories[0])
    first, second = (values.words(name) for name in categories)
    return (
        first,
        f"CASE WHEN starts_with({second}, {first}) THEN {second} ELSE concat_ws(' > ', {first}, {second}) END",
    )


def _most_common(column: str) -> str:
    return f"mode({values.text(column)})" if column else "NULL"
