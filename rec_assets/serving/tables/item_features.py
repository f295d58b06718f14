"""Raw item features of a catalog, held in memory: one immutable table, replaced as a whole by a newer one."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store.online import OnlineRows
from rec_assets.features.store.views import ITEM_FEATURES

CHUNK = 250  # items a read: some milliseconds of Python, during which a request waits for the interpreter
PAUSE_S = 0.01  # between two of them

Ids = npt.NDArray[np.int32]
ReadItems = Callable[[Ids], OnlineRows]
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class ItemTable:
    """`ITEM_FEATURES` by item id.

    Attributes:
        item_ids: raw, ascending, int32 [V].
        columns: each feature [V + 1]; the last row, at -1, is of an item that is not in the catalog.
    """

    item_ids: Ids
    columns: Columns

    @classmethod
    def of(cls, bundle: Bundle) -> "ItemTable":
        """Returns what the bundle's catalog says."""
        import polars as pl

        # Without the titles, which would be most of it.
        catalog = pl.read_parquet(bundle.file("catalogue"), columns=["item_id", *ITEM_FEATURES]).sort("item_id")
        unknown = OnlineRows.missing(1, ITEM_FEATURES).columns
        columns = {
            name: np.append(catalog[name].to_numpy().astype(dtype), unknown[name])
            for name, dtype in ITEM_FEATURES.items()
        }
        return cls(catalog["item_id"].to_numpy().astype(np.int32), columns)

    def updated(self, read: ReadItems, pause_s: float) -> "ItemTable":
        """Returns a table of the same items with what a store knows of them; raises what `read` raises.

        Args:
            read: answers some item ids.
            pause_s: seconds to rest after each chunk.
        """
        columns = {name: values.copy() for name, values in self.columns.items()}
        for start in range(0, len(self.item_ids), CHUNK):
            rows = slice(start, min(start + CHUNK, len(self.item_ids)))
            found = read(self.item_ids[rows])
            for name, values in columns.items():
                values[rows] = np.where(found.known, found.columns[name], values[rows])
            if pause_s:
                time.sleep(pause_s)
        return ItemTable(self.item_ids, columns)

    def rows(self, items: Ids) -> Columns:
        """Returns item_id and the features of some items [N], -1 and NaN for those that are not in the catalog."""
        row = np.searchsorted(self.item_ids, items)
        found = self.item_ids[np.minimum(row, len(self.item_ids) - 1)] == items
        row = np.where(found, row, -1)
        return {"item_id": items} | {name: values[row] for name, values in self.columns.items()}
