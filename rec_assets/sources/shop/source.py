"""A shop as a source: files or queries of any format, read once through the mapping into days of plain rows.

The rows of all days lie in a cache, a folder a day. The cache is rebuilt when the files or the mapping change.
"""

import hashlib
import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path

import polars as pl
from upath import UPath

from rec_assets.common.errors import ActionableError
from rec_assets.common.file_limits import FileLimits
from rec_assets.common.files import write_atomically
from rec_assets.sources.base import BestRanking
from rec_assets.sources.image_files import copy_images
from rec_assets.sources.roles import ROLE, TARGET
from rec_assets.sources.shop import values
from rec_assets.sources.shop.codes import CATEGORY_1, CATEGORY_2, ITEM, UNKNOWN, USER, Codes
from rec_assets.sources.shop.mapping import Rows, Shop
from rec_assets.sources.shop.tables import connect, data_files, kind_of, open_table

EXAMPLES = 5  # values that an error shows
ROWS = {"user": pl.String, "item": pl.String, "device_type": pl.Int32, "timestamp": pl.Int64, ROLE: pl.Int32}


class ShopSource:
    """The tables of a mapping as frames of the contract, with the codes of its ids."""

    best_ranking: BestRanking | None = None

    def __init__(
        self, shop: Shop, base: Path, cache: Path, codes: Codes | None = None, limits: FileLimits | None = None
    ) -> None:
        """Opens a shop; nothing is read yet.

        Args:
            shop: the mapping.
            base: folder that relative paths of the mapping start from.
            cache: folder for the rows by day.
            codes: codes of ids; frames need them, `identifiers` does not.
            limits: largest sizes of data files.
        """
        self.shop, self.base, self.cache = shop, base, cache
        self.codes = codes or Codes.empty()
        self.limits = limits or FileLimits()

    def location(self, name: str) -> str:
        """Returns the files of "items", "users" or a day's ISO date."""
        rows = {"items": self.shop.items, "users": self.shop.users}.get(name)
        return (rows if rows is not None and rows.is_given else self.shop.interactions).files or "the query"

    def identifiers(self) -> dict[str, pl.Series]:
        """Returns every user, item and category, as texts by kind."""
        users, items = (self.rows().select(pl.col(name).unique()).collect()[name] for name in ("user", "item"))
        return {
            USER: pl.concat([users, self._users["user"]]),
            # Also items outside the catalog: the contract counts and drops their rows by id.
            ITEM: pl.concat([items, self._items["item"]]),
            CATEGORY_1: self._items["category_l1"],
            CATEGORY_2: self._items["category_l2"],
        }

    def rows(self) -> pl.LazyFrame:
        """Returns the rows of all days: user and item as text, device_type, timestamp, role."""
        return pl.scan_parquet(self._days / "**/*.parquet", schema=ROWS, hive_partitioning=False)

    def catalog(self) -> pl.DataFrame:
        """Returns the items with texts as they are: item, title, description, both categories; price, first_day."""
        return self._items

    def interactions(self, day: date) -> pl.DataFrame:
        """Returns the rows of one day; a day without rows inside the history is empty."""
        folder = self._days / f"day={day.isoformat()}"
        rows = pl.read_parquet(folder / "*.parquet", schema=ROWS) if folder.exists() else pl.DataFrame(schema=ROWS)
        return rows.select(
            user_id=self._encoded(USER, rows["user"]),
            item_id=self._encoded(ITEM, rows["item"]),
            device_type="device_type",
            timestamp="timestamp",
            role=ROLE,
        )

    def items(self) -> pl.DataFrame:
        """Returns the catalog: ids and categories as codes, -1 for no category, null for no price."""
        items = self._items
        return items.select(
            "price",
            "item_gender",
            "first_day",
            "available",
            item_id=self._encoded(ITEM, items["item"]),
            title=pl.coalesce("title", pl.when(pl.col("description").is_null()).then(pl.format("Item {}", "item"))),
            product_description=pl.concat_str("title", "description", separator=". ", ignore_nulls=True)
            if self.shop.items.title_in_text
            else pl.coalesce("description", "title"),
            category_l1=self._encoded(CATEGORY_1, items["category_l1"]),
            category_l2=self._encoded(CATEGORY_2, items["category_l2"]),
        )

    def users(self) -> pl.DataFrame:
        """Returns every user of the users table and of the interactions."""
        users = self._users
        return users.select("age", "gender", "first_day", user_id=self._encoded(USER, users["user"]))

    def write_images(self, folder: Path) -> int:
        """Copies the images whose names are item ids; returns their number.

        See `rec_assets.sources.image_files`.
        """
        if not self.shop.items.images:
            return 0
        known = self.codes.table.filter(kind=ITEM)
        names = dict(zip(known["value"], known["code"], strict=True))
        return copy_images(self.base / self.shop.items.images, names, folder)

    @cached_property
    def _days(self) -> Path:
        """The folder of rows by day; written under another name and renamed, so no reader sees a part."""
        folder = self.cache / (self.fingerprint() + self.codes.forgotten.version)
        if folder.exists():
            return folder
        rows = self.shop.interactions
        connection = connect(self.shop.timezone, self.base, self.shop.days)
        table = open_table(connection, rows, self.base, self.limits)
        self._require(table.columns, (rows.user, rows.item, rows.time, rows.device, rows.event, rows.rating))
        device = values.device(rows.device) if rows.device else "CAST(-1 AS INTEGER)"
        selected = (
            f"SELECT {values.identifier(rows.user)} AS user, {values.identifier(rows.item)} AS item, "
            f"{device} AS device_type, {values.seconds(rows.time, rows.time_format)} AS timestamp, "
            f"{values.role(rows)} AS {ROLE} "
            f"FROM rows_of_the_shop WHERE {values.condition(rows)}"
        )
        connection.register("rows_of_the_shop", table)
        stays = self.codes.forgotten.stays(values.quoted("user"), "timestamp")  # unquoted, it is DuckDB's user
        with write_atomically(folder) as draft:
            target = str(draft).replace("'", "''")
            connection.execute(
                f"COPY (SELECT *, strftime(to_timestamp(timestamp) AT TIME ZONE 'UTC', '%Y-%m-%d') AS day "
                f"FROM ({selected}) WHERE user IS NOT NULL AND item IS NOT NULL AND timestamp IS NOT NULL "
                f"AND {stays} "
                f"ORDER BY timestamp, user, item, {ROLE}) TO '{target}' (FORMAT parquet, PARTITION_BY (day))"
            )
            self._require_days([one.name.removeprefix("day=") for one in draft.glob("day=*")])
            self._require_targets(draft)
        for old in self.cache.iterdir():
            if old != folder:
                shutil.rmtree(old, ignore_errors=True)
        return folder

    @cached_property
    def _items(self) -> pl.DataFrame:
        """Text columns item, title, description, category_l1, category_l2; price, item_gender, available, first_day."""
        mapping = self.shop.items
        source = mapping if mapping.is_given else self.shop.interactions
        item = mapping.item or self.shop.interactions.item
        connection = connect(self.shop.timezone, self.base, self.shop.days)
        table = open_table(connection, source, self.base, self.limits)
        categories = mapping.categories[:2]
        named = (
            item,
            mapping.title,
            mapping.description,
            mapping.price,
            mapping.gender,
            mapping.first_day,
            mapping.available,
        )
        self._require(table.columns, (*named, *categories))
        connection.register("items_of_the_shop", table)
        rows, stays = self.shop.interactions, "TRUE"
        if not mapping.is_given:  # prices and titles are those of the interactions
            time = values.seconds(rows.time, rows.time_format)
            stays = self.codes.forgotten.stays(values.identifier(rows.user), time)
        first, second = self._levels(categories)
        arrival = f"min({values.seconds(mapping.first_day)})" if mapping.first_day else "NULL"
        known = connection.sql(
            f"SELECT {values.identifier(item)} AS item, {_most_common(mapping.title)} AS title, "
            f"{_most_common(mapping.description)} AS description, mode({first}) AS category_l1, "
            f"mode({second}) AS category_l2, "
            f"{f'median({values.price(mapping.price)})' if mapping.price else 'NULL'} AS price, "
            f"{f'mode({values.gender(mapping.gender)})' if mapping.gender else '-1'} AS item_gender, "
            f"{f'bool_or({values.available(mapping.available)})' if mapping.available else 'true'} AS available, "
            f"CAST(to_timestamp({arrival}) AS DATE) AS arrival FROM items_of_the_shop "
            f"WHERE {stays} GROUP BY 1 ORDER BY 1"
        ).pl()
        known = known.filter(pl.col("item").is_not_null())
        arrivals = self._first_days("item")
        if mapping.is_given:
            arrivals = arrivals.clear()  # an item of the table has always been there
        else:
            known = known.join(arrivals, on="item", how="semi")
        return known.join(arrivals, on="item", how="left").select(
            *(pl.col(name).cast(pl.String) for name in ("item", "title", "description", "category_l1", "category_l2")),
            pl.col("price").cast(pl.Float32),
            pl.col("item_gender").cast(pl.Int32),
            "available",
            first_day=pl.coalesce(pl.col("arrival").cast(pl.Date), "first_day"),
        )

    @cached_property
    def _users(self) -> pl.DataFrame:
        """Text column user, and age, gender, first_day."""
        mapping = self.shop.users
        arrivals = self._first_days("user")
        if not (mapping.is_given or mapping.age or mapping.birth_year or mapping.gender):
            return arrivals.select("user", "first_day", age=pl.lit(None, pl.Int32), gender=pl.lit(-1, pl.Int32))
        source = mapping if mapping.is_given else self.shop.interactions
        user = mapping.user or self.shop.interactions.user
        connection = connect(self.shop.timezone, self.base, self.shop.days)
        table = open_table(connection, source, self.base, self.limits)
        self._require(table.columns, (user, mapping.age, mapping.birth_year, mapping.gender))
        connection.register("users_of_the_shop", table)
        age = values.whole(mapping.age) if mapping.age else "NULL"
        if mapping.birth_year:
            age = f"{self.shop.days.first.year} - {values.whole(mapping.birth_year)}"
        known = connection.sql(
            f"SELECT {values.identifier(user)} AS user, mode({age}) AS age, "
            f"{f'mode({values.gender(mapping.gender)})' if mapping.gender else '-1'} AS gender "
            f"FROM users_of_the_shop GROUP BY 1 ORDER BY 1"
        ).pl()
        gone = self.codes.forgotten.hides(known["user"]) & ~known["user"].is_in(arrivals["user"].implode())
        users = arrivals.join(known.filter(~gone), on="user", how="full", coalesce=True).filter(
            pl.col("user").is_not_null()
        )
        known_age = pl.col("age").cast(pl.Int32)
        return users.sort("user").select(
            "user",
            # A user of a table has always been there.
            pl.when(pl.col("user").is_in(known["user"].implode()) & mapping.is_given)
            .then(None)
            .otherwise("first_day")
            .alias("first_day"),
            age=pl.when(known_age.is_between(0, 120)).then(known_age),
            gender=pl.col("gender").cast(pl.Int32).fill_null(-1),
        )

    def _encoded(self, kind: str, texts: pl.Series) -> pl.Series:
        """Returns the codes of texts, -1 for null; raises ActionableError for a text that has no code yet."""
        encoded = self.codes.encode(kind, texts)
        new = texts.filter(texts.is_not_null() & (encoded == UNKNOWN)).unique(maintain_order=True)
        if new.len():
            raise ActionableError(
                f"{self.location(kind)}: {new.len()} values of {kind} are newer than id_codes "
                f"(first values: {', '.join(new.head(EXAMPLES))}).",
                "Materialize id_codes, raw_items and raw_users, then this asset again; the job daily_data does all.",
            )
        return encoded

    def _first_days(self, column: str) -> pl.DataFrame:
        first = pl.from_epoch(pl.col("timestamp").min()).dt.date()
        return self.rows().group_by(column).agg(first_day=first).sort(column).collect()

    def _levels(self, categories: Sequence[str]) -> tuple[str, str]:
        """Returns SQL of both category levels.

        A level below begins with the level above, so equal names in two categories stay apart.
        """
        if not categories:
            return "NULL", "NULL"
        if separator := self.shop.items.category_separator:
            parts = f"string_split({values.words(categories[0])}, '{separator.replace(chr(39), chr(39) * 2)}')"
            both = f"array_to_string(list_transform({parts}[1:2], lambda x: trim(x)), ' > ')"
            return f"trim({parts}[1])", f"nullif({both}, '')"
        if len(categories) == 1:
            return values.words(categories[0]), values.words(categories[0])
        first, second = (values.words(name) for name in categories)
        return (
            first,
            f"CASE WHEN starts_with({second}, {first}) THEN {second} ELSE concat_ws(' > ', {first}, {second}) END",
        )

    def _require(self, columns: Sequence[str], named: Sequence[str]) -> None:
        missing = [name for name in named if name and name not in columns]
        if missing:
            raise ActionableError(
                f"The table has no column {', '.join(missing)} (columns: {', '.join(columns)}).",
                "Correct the column in the mapping.",
            )

    def _require_days(self, found: Sequence[str]) -> None:
        days = self.shop.days
        if not any(days.first.isoformat() <= day <= days.last.isoformat() for day in found):
            there = f"days from {min(found)} to {max(found)}" if found else "no row with a user, an item and a time"
            raise ActionableError(
                f"{self.location('interactions')} has no rows from {days.first} to {days.last} ({there}).",
                "Correct the mapping, or set REC_START_DATE and REC_DAYS to days with rows.",
            )

    def _require_targets(self, folder: Path) -> None:
        rows = pl.scan_parquet(folder / "**/*.parquet", schema=ROWS, hive_partitioning=False)
        day = pl.from_epoch("timestamp").dt.date()
        used = rows.filter(day.is_between(self.shop.days.first, self.shop.days.last))
        if not used.select((pl.col(ROLE) == TARGET).any()).collect().item():
            mapping = self.shop.interactions
            raise ActionableError(
                f"{self.location('interactions')} has no row that teaches (events: {', '.join(mapping.events) or 'all'}"
                f"{f', {mapping.rating} at least {mapping.rating_at_least:g}' if mapping.rating else ''}).",
                "Correct `events` or `rating_at_least` in the mapping; `rec check` counts the rows of each event type.",
            )

    def _files(self, rows: Rows) -> list[str]:
        """Returns the files of a table, or those beside the mapping that a query names."""
        if not rows.query:
            return data_files(rows.files, self.base)
        return sorted(str(file) for file in self.base.iterdir() if kind_of(file.name) and file.name in rows.query)

    def fingerprint(self) -> str:
        """Returns a name that changes with the mapping and with the files; for a query of no file, every day."""
        facts = [self.shop.model_dump_json()]
        for file in self._files(self.shop.interactions):
            about = UPath(file).stat()
            facts.append(f"{file} {about.st_size} {about.st_mtime}")
        if len(facts) == 1:
            facts.append(datetime.now(UTC).date().isoformat())
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]


def _most_common(column: str) -> str:
    return f"mode({values.text(column)})" if column else "NULL"
