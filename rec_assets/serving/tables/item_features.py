"""Raw item features of a catalog in memory: one immutable table, replaced as a whole by a newer one."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store.online import OnlineRows
from rec_assets.features.store.views import ITEM_FEATURES
from rec_assets.inference.lookups import at_value, table_of_positions

CHUNK = 250  # items per read: some milliseconds of Python, during which a request waits for the interpreter
PAUSE_S = 0.01  # between two reads
DIFFERS = "differs"

Ids = npt.NDArray[np.int32]
ReadItems = Callable[[Ids], OnlineRows]
Columns = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class RawItemFeatures:
    """A table of `ITEM_FEATURES` by item id.

    Attributes:
        item_ids: raw, ascending, int32 [V].
        columns: each feature [V + 1]; the last row, at -1, has the values for items outside the catalog. A table of
            `updated` also has `differs`: True for items with other features than before.
    """

    item_ids: Ids
    columns: Columns

    @classmethod
    def of(cls, bundle: Bundle) -> "RawItemFeatures":
        """Returns the features in the bundle's catalog."""
        import polars as pl

        # Skips the titles, the largest column.
        catalog = pl.read_parquet(bundle.file("catalogue"), columns=["item_id", *ITEM_FEATURES]).sort("item_id")
        unknown = OnlineRows.missing(1, ITEM_FEATURES).columns
        columns = {
            name: np.append(catalog[name].to_numpy().astype(dtype), unknown[name])
            for name, dtype in ITEM_FEATURES.items()
        }
        return cls(catalog["item_id"].to_numpy().astype(np.int32), columns)

    def updated(self, read: ReadItems, pause_s: float) -> "RawItemFeatures":
        """Returns a table of the same items with the features of a store; raises the errors of `read`.

        Args:
            read: returns the store's features of some item ids; items without a row keep their current features.
            pause_s: seconds to sleep after each chunk.
        """
        columns = {name: values.copy() for name, values in self.columns.items()}
        for start in range(0, len(self.item_ids), CHUNK):
            rows = slice(start, min(start + CHUNK, len(self.item_ids)))
            stored = read(self.item_ids[rows])
            for name, values in columns.items():
                values[rows] = np.where(stored.known, stored.columns[name], values[rows])
            if pause_s:
                time.sleep(pause_s)
        differs = np.any([~_are_equal(columns[name], values) for name, values in self.columns.items()], axis=0)
        return RawItemFeatures(self.item_ids, columns | {DIFFERS: differs})

    @cached_property
    def _table(self) -> Ids | None:
        return table_of_positions(self.item_ids, 0, -1)

    def _row_of(self, items: Ids) -> Ids:
        """Returns the row of each item [n], -1 for items outside the catalog."""
        if self._table is not None:
            return at_value(self._table, items.astype(np.int64))
        row = np.searchsorted(self.item_ids, items)
        mask = self.item_ids[np.minimum(row, len(self.item_ids) - 1)] == items
        return np.where(mask, row, -1)

    def rows(self, items: Ids) -> Columns:
        """Returns item_id and the features of some items [N]; features are -1 or NaN for items outside the catalog."""
        row = self._row_of(items)
        return {"item_id": items} | {name: values[row] for name, values in self.columns.items()}


def _are_equal(some: npt.NDArray[Any], others: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    both_nan: npt.NDArray[np.bool_] = (some != some) & (others != others)
    return (some == others) | both_nan
