"""Raw days from a folder or bucket prefix of parquet files: bring your own data. `export` writes such a folder.

Layout: a file a day, named by date (`2025-03-03.parquet`) or counted from the start date (`day_00.parquet`);
`items.parquet`, `users.parquet`; and, where there are any, `item_descriptions.parquet` (item_id,
product_description) and `item_images/<item_id>.jpg`.
"""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from upath import UPath

from rec_assets.common.errors import ActionableError
from rec_assets.sources.base import BestRanking, Source

ITEMS = "items.parquet"
USERS = "users.parquet"
DESCRIPTIONS = "item_descriptions.parquet"
PICTURES = "item_images"


class FilesSource:
    """A local folder, or any prefix that fsspec reads (`s3://bucket/raw`, with `AWS_*` saying who asks)."""

    best_ranking: BestRanking | None = None

    def __init__(self, location: str, start_date: date) -> None:
        """Opens a location; raises ActionableError where it is empty, unreadable or no folder."""
        if not location:
            raise ActionableError(
                "REC_SOURCE=files, and REC_FILES_LOCATION is empty.",
                "Set REC_FILES_LOCATION to the folder or bucket prefix that holds the daily parquet files.",
            )
        self.start_date = start_date
        try:
            # A bucket's listings are not remembered: tomorrow's file is to be seen by the process that runs today.
            options: dict[str, Any] = {"use_listings_cache": False} if "://" in location else {}
            self.root = UPath(location, **options)
            found = self.root.is_dir()
        except ImportError as error:
            raise ActionableError(f"{location}: {error}.", "Install the package that reads this protocol.") from error
        except OSError as error:
            raise ActionableError(f"{location}: {error}.", "Check REC_FILES_LOCATION and the credentials.") from error
        if not found:
            raise ActionableError(
                f"{location} is not a folder, or is empty.",
                "Set REC_FILES_LOCATION to where the daily parquet files are.",
            )

    def location(self, name: str) -> str:
        """The file of "items", "users" or a day's ISO date."""
        fixed = {"items": ITEMS, "users": USERS}
        return str(self.root / fixed[name] if name in fixed else self._day_file(date.fromisoformat(name)))

    def interactions(self, day: date) -> pl.DataFrame:
        """Reads a day's file; raises ActionableError naming the file where it is missing or damaged."""
        return _read(self._day_file(day))

    def items(self) -> pl.DataFrame:
        """Reads the catalog, with descriptions where they are in a file of their own."""
        items = _read(self.root / ITEMS)
        file = self.root / DESCRIPTIONS
        if "product_description" in items.columns or "item_id" not in items.columns or not file.exists():
            return items
        texts = _read(file)
        ids = texts.schema.get("item_id", pl.Null())
        if "product_description" not in texts.columns or not ids.is_integer() or texts["item_id"].is_duplicated().any():
            raise ActionableError(
                f"{file} does not hold one description an item (rows: {texts.height}, schema: {dict(texts.schema)}).",
                "Write the columns item_id (Int32, each once) and product_description (String).",
            )
        texts = texts.select(pl.col("item_id").cast(items.schema["item_id"]), "product_description")
        return items.join(texts, on="item_id", how="left", maintain_order="left")

    def users(self) -> pl.DataFrame:
        """Reads the users."""
        return _read(self.root / USERS)

    def write_pictures(self, folder: Path) -> int:
        """Copies the pictures there are of items in the catalog; returns how many."""
        pictures = self.root / PICTURES
        if not pictures.is_dir():
            return 0
        wanted = {f"{item_id}.jpg" for item_id in self.items()["item_id"]}
        written = 0
        for picture in pictures.iterdir():
            if picture.name in wanted:
                (folder / picture.name).write_bytes(picture.read_bytes())
                written += 1
        return written

    def _day_file(self, day: date) -> UPath:
        """The file of a day: by its date, or else by its number, or else the one that should be there."""
        dated = self.root / f"{day.isoformat()}.parquet"
        counted = self.root / f"day_{(day - self.start_date).days:02d}.parquet"
        return counted if not dated.exists() and counted.exists() else dated


def export(source: Source, folder: Path, days: list[date]) -> None:
    """Writes days, catalog, users and pictures of a source as a folder that `FilesSource` reads."""
    (folder / PICTURES).mkdir(parents=True, exist_ok=True)
    items = source.items()
    items.drop("product_description").write_parquet(folder / ITEMS)
    items.select("item_id", "product_description").write_parquet(folder / DESCRIPTIONS)
    source.users().write_parquet(folder / USERS)
    for day in days:
        source.interactions(day).write_parquet(folder / f"{day.isoformat()}.parquet")
    source.write_pictures(folder / PICTURES)


def _read(file: UPath) -> pl.DataFrame:
    """Reads one parquet file whole; raises ActionableError where it is missing, empty, truncated or something else."""
    try:
        content = file.read_bytes()
    except FileNotFoundError as error:
        beside = sorted(p.name for p in file.parent.iterdir() if p.suffix == ".parquet")
        raise ActionableError(
            f"{file} does not exist. {len(beside)} parquet files are there, {beside[0]} … {beside[-1]}."
            if beside
            else f"{file} does not exist, and no parquet file is there.",
            f"Write it as {file.name}, or set REC_START_DATE and REC_DAYS to the days you have.",
        ) from error
    try:
        return pl.read_parquet(content)
    except pl.exceptions.PolarsError as error:
        reason = str(error).splitlines()[0]
        raise ActionableError(
            f"{file} ({len(content)} bytes) is no readable parquet file: {reason}", "Copy or write this file again."
        ) from error
