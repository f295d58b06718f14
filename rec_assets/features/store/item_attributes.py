"""Attributes of items that no model reads: brand, margin and stock. Filters and rules of the shop read them.

The catalog update writes them into Valkey; serving reads them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rec_assets.storage.valkey.client import Valkey
from rec_assets.storage.valkey.keys import ITEM_ATTRIBUTES
from rec_assets.storage.valkey.versioned_value import VersionedValue

if TYPE_CHECKING:
    import polars as pl

UNKNOWN_BRAND = -1

Ids = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ItemAttributes:
    """The attributes of some items; others have none.

    Attributes:
        item_ids: raw, ascending, int32 [n].
        brand: code, int32 [n], -1 where unknown.
        margin, stock: float32 [n], NaN where unknown.
    """

    item_ids: Ids
    brand: Ids
    margin: Floats
    stock: Floats

    @classmethod
    def of(cls, items: "pl.DataFrame") -> "ItemAttributes":
        """Returns the attributes of a frame with item_id and some of the columns; none if it has no such column."""
        import polars as pl  # here, because serving reads attributes and no frames

        from rec_assets.sources.base import ATTRIBUTES

        names = [name for name in ATTRIBUTES if name in items.columns]
        rows = items.select("item_id", *names).sort("item_id") if names else items.clear()
        unknown = np.full(rows.height, np.nan, np.float32)
        numbers = {
            name: rows[name].cast(pl.Float32).fill_null(float("nan")).to_numpy() if name in names else unknown
            for name in ("margin", "stock")
        }
        brand = rows["brand"].fill_null(UNKNOWN_BRAND) if "brand" in names else np.full(rows.height, UNKNOWN_BRAND)
        return cls(rows["item_id"].to_numpy().astype(np.int32), np.asarray(brand).astype(np.int32), **numbers)

    @classmethod
    def read(cls, file: Path) -> "ItemAttributes":
        """Reads a parquet file with item_id and some of the columns, or none of them."""
        import polars as pl

        from rec_assets.sources.base import ATTRIBUTES

        columns = pl.read_parquet_schema(file)
        return cls.of(pl.read_parquet(file, columns=["item_id", *(name for name in ATTRIBUTES if name in columns)]))

    def at(self, items: Ids) -> "ItemAttributes":
        """Returns the attributes of raw ids [m], ascending; unknown for other items."""
        if not len(self.item_ids):
            none = np.full(len(items), np.nan, np.float32)
            return ItemAttributes(items, np.full(len(items), UNKNOWN_BRAND, np.int32), none, none)
        row = np.minimum(np.searchsorted(self.item_ids, items), len(self.item_ids) - 1)
        known = self.item_ids[row] == items
        numbers = (np.where(known, values[row], np.float32(np.nan)) for values in (self.margin, self.stock))
        return ItemAttributes(items, np.where(known, self.brand[row], np.int32(UNKNOWN_BRAND)), *numbers)


_NO_IDS, _NO_NUMBERS = np.empty(0, np.int32), np.empty(0, np.float32)
NO_ATTRIBUTES = ItemAttributes(_NO_IDS, _NO_IDS, _NO_NUMBERS, _NO_NUMBERS)


class StoredItemAttributes:
    """The attributes as one value of Valkey: one array of 4 bytes an item after the other."""

    def __init__(self, client: Valkey) -> None:
        self._value = VersionedValue(client, ITEM_ATTRIBUTES)

    def replace(self, attributes: ItemAttributes) -> None:
        """Writes the attributes; raises ActionableError if Valkey does not answer."""
        ids, numbers = (attributes.item_ids, attributes.brand), (attributes.margin, attributes.stock)
        self._value.replace(
            b"".join([v.astype("<i4").tobytes() for v in ids] + [v.astype("<f4").tobytes() for v in numbers])
        )

    def version(self) -> bytes | None:
        """Returns the version, None before the first write; raises RedisError."""
        return self._value.version()

    def attributes(self) -> ItemAttributes:
        """Returns the attributes, none before the first write; raises RedisError."""
        parts = np.frombuffer(self._value.content(), "<i4").astype(np.int32).reshape(4, -1)
        return ItemAttributes(parts[0], parts[1], parts[2].view(np.float32), parts[3].view(np.float32))
