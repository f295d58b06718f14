"""The catalog of the storefront: titles, prices, category names, images, and suggested users."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock

import polars as pl

from rec_assets.serving.ids import CATEGORY_1, ITEM, UNKNOWN, USER, Id, Ids
from rec_assets.settings import Settings
from rec_assets.sources import category_names
from rec_assets.sources.base import RAW_INTERACTIONS, RAW_ITEMS
from rec_assets.storage.artifacts.stores import open_store

SUGGESTED_USERS = 8
LOOK_EVERY_S = 2.0  # between two looks for a newer catalog


@dataclass(frozen=True)
class Item:
    """An item of the page: `shop_id` is its id as the shop writes it; the price is None for unknown items.

    The number `item_id`, -1 for unknown items, is that of reasons and of the file of its image.
    """

    item_id: int
    shop_id: str
    title: str
    price: float | None
    category: int
    category_name: str


class Catalog:
    """The current catalog in the artifact store, which is read again after a new version was published."""

    def __init__(self, settings: Settings, ids: Ids, clock: Callable[[], float] = time.monotonic) -> None:
        """Stores the settings of the artifact store, the codes of the ids, and a clock in seconds for looks."""
        self._settings = settings
        self._ids = ids
        self._clock = clock
        self._looked_at = float("-inf")
        self._lock = Lock()
        self._store = open_store(settings)
        self._digest = ""
        self._items: dict[int, Item] = {}
        self._by_shop_id: dict[str, Item] = {}
        self._folder: Path | None = None

    @cached_property
    def _names(self) -> dict[int, str]:
        return category_names(self._settings)

    def name_of(self, category: int) -> str:
        """Returns the name of a level-1 category; empty for items without one."""
        name = self._names.get(category) or self._ids.text(CATEGORY_1, category)
        return name if isinstance(name, str) else f"category {category}" if category >= 0 else ""

    def items(self) -> dict[int, Item]:
        """Returns all items by id; empty if no catalog was materialized."""
        with self._lock:
            now = self._clock()
            if now - self._looked_at >= LOOK_EVERY_S:
                self._look()
                self._looked_at = now
            return self._items

    def _look(self) -> None:
        """Reads the catalog, if it is newer than the one in memory."""
        artifact = self._store.current("raw_items")
        if artifact is None or artifact.digest == self._digest:
            return
        artifact = self._store.fetch(artifact)
        rows = pl.read_parquet(artifact / RAW_ITEMS, columns=["item_id", "title", "price", "category_l1"])
        self._items = {
            item: Item(item, str(self._ids.text(ITEM, item)), title, price, category, self.name_of(category))
            for item, title, price, category in rows.iter_rows()
        }
        self._by_shop_id = {item.shop_id: item for item in self._items.values()}
        self._folder, self._digest = artifact.path / "item_images", artifact.digest

    def item(self, item_id: int) -> Item:
        """Returns the item with a number of the models, or a placeholder for an unknown one."""
        return self.items().get(item_id) or _unknown(item_id, str(self._ids.text(ITEM, item_id)))

    def named(self, shop_id: str) -> Item:
        """Returns the item with an id as the shop writes it, or a placeholder for an unknown one."""
        self.items()
        return self._by_shop_id.get(shop_id) or _unknown(UNKNOWN, shop_id)

    def categories(self) -> list[tuple[str, str]]:
        """Returns ids, as the shop writes them, and names of the categories, by their numbers."""
        found = sorted({(item.category, item.category_name) for item in self.items().values() if item.category >= 0})
        return [(str(self._ids.text(CATEGORY_1, category)), name) for category, name in found]

    def image(self, item_id: int) -> Path | None:
        """Returns the image file of an item, or None if it has no image."""
        self.items()
        file = self._folder / f"{item_id}.jpg" if self._folder else None
        return file if file is not None and file.is_file() else None

    def users(self) -> list[Id]:
        """Returns the users with most interactions on the as-of day; empty if this day was not materialized."""
        artifact = self._store.find("raw_interactions", self._settings.as_of.isoformat())
        if artifact is None:
            return []
        rows = pl.read_parquet(artifact / RAW_INTERACTIONS, columns=["user_id"])
        return [self._ids.text(USER, user) for user in busiest_users(rows, SUGGESTED_USERS)]


def _unknown(item_id: int, shop_id: str) -> Item:
    return Item(item_id, shop_id, f"Item {shop_id}", None, -1, "unknown")


def busiest_users(rows: pl.DataFrame, count: int) -> list[int]:
    """Returns the users with most interactions; of equal users, the smallest ids."""
    counts = rows["user_id"].value_counts().sort(["count", "user_id"], descending=[True, False])
    return counts["user_id"].head(count).to_list()
