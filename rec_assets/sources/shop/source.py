"""A shop as a source: files or queries of any format, read once through the mapping into days of plain rows.

The rows of all days lie in a cache, a folder a day. The cache is rebuilt when the files or the mapping change.
"""

import hashlib
import re
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
from rec_assets.sources.images.download import Downloader
from rec_assets.sources.images.found import Found, ImageReport, Progress
from rec_assets.sources.roles import ROLE, TARGET
from rec_assets.sources.shop import values
from rec_assets.sources.shop.attributes import ShopTables, read_items, read_users
from rec_assets.sources.shop.codes import BRAND, CATEGORY_1, CATEGORY_2, ITEM, UNKNOWN, USER, Codes
from rec_assets.sources.shop.images import ShopImages
from rec_assets.sources.shop.mapping import Rows, Shop
from rec_assets.sources.shop.tables import data_files, kind_of

EXAMPLES = 5  # values that an error shows
ROWS = {"user": pl.String, "item": pl.String, "device_type": pl.Int32, "timestamp": pl.Int64, ROLE: pl.Int32}


class ShopSource:
    """The tables of a mapping as frames of the contract, with the codes of its ids."""

    best_ranking: BestRanking | None = None

    def __init__(
        self,
        shop: Shop,
        base: Path,
        cache: Path,
        codes: Codes | None = None,
        limits: FileLimits | None = None,
        downloader: Downloader | None = None,
    ) -> None:
        """Opens a shop; nothing is read yet.

        Args:
            shop: the mapping.
            base: folder that relative paths of the mapping start from.
            cache: folder for the rows by day.
            codes: codes of ids; frames need them, `identifiers` does not.
            limits: largest sizes of data files.
            downloader: fetches images; by default into the folder `images` beside the cache.
        """
        self.shop, self.base, self.cache = shop, base, cache
        self.codes = codes or Codes.empty()
        self.limits = limits or FileLimits()
        self._downloader = downloader or Downloader(cache.parent / "images")

    def location(self, name: str) -> str:
        """Returns the files of "items", "users" or a day's ISO date."""
        rows = {"items": self.shop.items, "users": self.shop.users}.get(name)
        return (rows if rows is not None and rows.is_given else self.shop.interactions).files or "the query"

    def identifiers(self) -> dict[str, pl.Series]:
        """Returns every user, item, category and brand, as texts by kind."""
        users, items = (self.rows().select(pl.col(name).unique()).collect()[name] for name in ("user", "item"))
        return {
            USER: pl.concat([users, self._users["user"]]),
            # Also items outside the catalog: the contract counts and drops their rows by id.
            ITEM: pl.concat([items, self._items["item"]]),
            CATEGORY_1: self._items["category_l1"],
            CATEGORY_2: self._items["category_l2"],
            BRAND: self._items["brand"].drop_nulls(),
        }

    def rows(self) -> pl.LazyFrame:
        """Returns the rows of all days: user and item as text, device_type, timestamp, role."""
        return pl.scan_parquet(self._days / "**/*.parquet", schema=ROWS, hive_partitioning=False)

    def catalog(self) -> pl.DataFrame:
        """Returns the items with texts as they are, as `read_items`."""
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
        """Returns the catalog: ids, categories and brands as codes, -1 for none; null for no price, margin or stock."""
        items = self._items
        return items.select(
            "price",
            "margin",
            "stock",
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
            brand=self._encoded(BRAND, items["brand"]),
        )

    def users(self) -> pl.DataFrame:
        """Returns every user of the users table and of the interactions."""
        users = self._users
        return users.select("age", "gender", "first_day", user_id=self._encoded(USER, users["user"]))

    def write_images(self, folder: Path, progress: Progress | None = None) -> ImageReport:
        """Copies and downloads the images of the catalog's items; see `Source`."""
        codes = dict(zip(self._items["item"], self._encoded(ITEM, self._items["item"]), strict=True))
        return self.images.copy(self.found_images, codes, folder, progress)

    @property
    def images(self) -> ShopImages:
        """The images of the items."""
        return ShopImages(self.shop.items, self.base, self._downloader)

    @cached_property
    def found_images(self) -> Found:
        """The images of the catalog's items; files are found, and downloads are only named."""
        return self.images.find(self._items)

    @cached_property
    def _days(self) -> Path:
        """The folder of rows by day; written under another name and renamed, so no reader sees a part."""
        folder = self.cache / (self.fingerprint() + self.codes.forgotten.version)
        if folder.exists():
            return folder
        rows = self.shop.interactions
        columns = (
            rows.user,
            rows.item,
            rows.time,
            rows.time_of_day,
            rows.device,
            rows.quantity,
            rows.event,
            rows.rating,
        )
        connection = self._tables.open(rows, columns, "rows_of_the_shop")
        device = values.device(rows.device) if rows.device else "CAST(-1 AS INTEGER)"
        selected = (
            f"SELECT {values.identifier(rows.user)} AS user, {values.identifier(rows.item)} AS item, "
            f"{device} AS device_type, {values.moment(rows)} AS timestamp, "
            f"{values.role(rows)} AS {ROLE} "
            f"FROM rows_of_the_shop WHERE {values.condition(rows)}"
        )
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
        return read_items(self._tables, self._first_days("item"))

    @cached_property
    def _users(self) -> pl.DataFrame:
        return read_users(self._tables, self._first_days("user"))

    @property
    def _tables(self) -> ShopTables:
        return ShopTables(self.shop, self.base, self.limits, self.codes.forgotten)

    def _first_days(self, column: str) -> pl.DataFrame:
        first = pl.from_epoch(pl.col("timestamp").min()).dt.date()
        return self.rows().group_by(column).agg(first_day=first).sort(column).collect()

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
        """Returns the files of a table, or those that a query names."""
        if not rows.query:
            return data_files(rows.files, self.base)
        named = [text for text in re.findall(r"'([^']+)'", rows.query) if kind_of(text) and "://" not in text]
        return sorted({file for text in named for file in data_files(text, self.base)})

    def fingerprint(self) -> str:
        """Returns a name that changes with the mapping and with the files; for a query of no file, every day."""
        facts = [self.shop.model_dump_json()]
        for file in self._files(self.shop.interactions):
            about = UPath(file).stat()
            facts.append(f"{file} {about.st_size} {about.st_mtime}")
        if len(facts) == 1:
            facts.append(datetime.now(UTC).date().isoformat())
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
