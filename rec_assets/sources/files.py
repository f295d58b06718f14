"""Reads raw days from a folder or bucket prefix of parquet files. `export` writes a folder of the same layout.

- `2025-03-03.parquet` (date) or `day_00.parquet` (number since the start date): one file per day.
- `items.parquet` and `users.parquet`.
- `item_descriptions.parquet` (item_id, product_description) and `item_images/<item_id>.jpg`: optional.
- Each may also be a folder of parts, as Spark writes it.
"""

from datetime import date
from io import BytesIO
from pathlib import Path
from typing import Any

import polars as pl
from upath import UPath

from rec_assets.common.errors import ActionableError
from rec_assets.common.file_limits import FileLimits
from rec_assets.sources.base import BestRanking, Source
from rec_assets.sources.images.copying import copy_images
from rec_assets.sources.images.folder import find_named
from rec_assets.sources.images.found import ImageReport, Progress

ITEMS = "items.parquet"
USERS = "users.parquet"
DESCRIPTIONS = "item_descriptions.parquet"
IMAGES = "item_images"


class FilesSource:
    """A local folder, or any prefix that fsspec reads (`s3://bucket/raw`, with credentials in `AWS_*`)."""

    best_ranking: BestRanking | None = None

    def __init__(self, location: str, start_date: date, limits: FileLimits | None = None) -> None:
        """Opens a location; raises ActionableError if the location is empty, unreadable or not a folder."""
        self._limits = limits or FileLimits()
        if not location:
            raise ActionableError(
                "REC_FILES_LOCATION is empty (REC_SOURCE=files).",
                "Set REC_FILES_LOCATION to the folder or bucket prefix that holds the daily parquet files.",
            )
        self.start_date = start_date
        try:
            # No cache of bucket listings: a running process must find files that are added later.
            options: dict[str, Any] = {"use_listings_cache": False} if "://" in location else {}
            self.root = UPath(location, **options)
            is_folder = self.root.is_dir()
        except ImportError as error:
            raise ActionableError(
                f"{location} needs a missing package ({error}).", "Install the package for this protocol."
            ) from error
        except OSError as error:
            raise ActionableError(
                f"{location} is not accessible ({error}).", "Check REC_FILES_LOCATION and the credentials."
            ) from error
        if not is_folder:
            raise ActionableError(
                f"{location} is not a folder, or is empty.",
                "Set REC_FILES_LOCATION to the folder or bucket prefix that holds the daily parquet files.",
            )

    def location(self, name: str) -> str:
        """Returns the file of "items", "users" or a day's ISO date."""
        fixed = {"items": ITEMS, "users": USERS}
        return str(self.root / fixed[name] if name in fixed else self._day_file(date.fromisoformat(name)))

    def interactions(self, day: date) -> pl.DataFrame:
        """Reads the file of a day; raises ActionableError with the file name if the file is missing or damaged."""
        return self._read(self._day_file(day))

    def items(self) -> pl.DataFrame:
        """Reads the catalog and, if descriptions are in a separate file, joins them."""
        items = self._read(self.root / ITEMS)
        file = self.root / DESCRIPTIONS
        if "product_description" in items.columns or "item_id" not in items.columns or not file.exists():
            return items
        texts = self._read(file)
        ids = texts.schema.get("item_id", pl.Null())
        if "product_description" not in texts.columns or not ids.is_integer() or texts["item_id"].is_duplicated().any():
            raise ActionableError(
                f"{file} does not hold one description per item (rows: {texts.height}, schema: {dict(texts.schema)}).",
                "Write the columns item_id (Int32, each once) and product_description (String).",
            )
        if not items.schema["item_id"].is_numeric():
            return items  # the contract names the column
        wide = items.with_columns(pl.col("item_id").cast(pl.Int64, strict=False).alias("wide_id"))
        texts = texts.select(pl.col("item_id").cast(pl.Int64, strict=False).alias("wide_id"), "product_description")
        return wide.join(texts, on="wide_id", how="left", maintain_order="left").drop("wide_id")

    def users(self) -> pl.DataFrame:
        """Reads the users."""
        return self._read(self.root / USERS)

    def write_images(self, folder: Path, progress: Progress | None = None) -> ImageReport:
        """Copies the images of catalog items, where they exist; see `Source`."""
        codes = {str(item_id): item_id for item_id in self.items()["item_id"].cast(pl.Int64, strict=False)}
        return copy_images(find_named(self.root / IMAGES, codes), codes, folder)

    def _read(self, file: UPath) -> pl.DataFrame:
        return _read(file, self._limits)

    def _day_file(self, day: date) -> UPath:
        """Returns the file named by date, or the numbered file if only that one exists."""
        dated = self.root / f"{day.isoformat()}.parquet"
        counted = self.root / f"day_{(day - self.start_date).days:02d}.parquet"
        return counted if not dated.exists() and counted.exists() else dated


def export(source: Source, folder: Path, days: list[date]) -> None:
    """Writes days, catalog, users and images of a source as a folder that `FilesSource` reads."""
    (folder / IMAGES).mkdir(parents=True, exist_ok=True)
    items = source.items()
    items.drop("product_description").write_parquet(folder / ITEMS)
    items.select("item_id", "product_description").write_parquet(folder / DESCRIPTIONS)
    source.users().write_parquet(folder / USERS)
    for day in days:
        source.interactions(day).write_parquet(folder / f"{day.isoformat()}.parquet")
    source.write_images(folder / IMAGES)


def _read(file: UPath, limits: FileLimits) -> pl.DataFrame:
    """Reads one whole parquet file; raises ActionableError if it is missing, too large, truncated or not parquet."""
    try:
        parts = sorted(file.glob("*.parquet")) if file.is_dir() else [file]
        for part in parts:
            limits.require_size(str(part), part.stat().st_size)
        contents = [part.read_bytes() for part in parts]
    except FileNotFoundError as error:
        siblings = sorted(p.name for p in file.parent.iterdir() if p.suffix == ".parquet")
        raise ActionableError(
            f"{file} does not exist. The folder has {len(siblings)} parquet files ({siblings[0]} … {siblings[-1]})."
            if siblings
            else f"{file} does not exist. The folder has no parquet files.",
            f"Write the file {file.name}, or set REC_START_DATE and REC_DAYS to the days that exist.",
        ) from error
    try:
        for part, content in zip(parts, contents, strict=True):
            limits.require_parquet(str(part), BytesIO(content))
        return pl.concat([pl.read_parquet(content) for content in contents], how="diagonal_relaxed")
    except (pl.exceptions.PolarsError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ActionableError(
            f"{file} ({sum(map(len, contents))} bytes) is not a readable parquet file ({reason}).",
            "Copy or write this file again.",
        ) from error
