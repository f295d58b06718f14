"""The items that no list may show, kept in memory beside a stage and refreshed within a second."""

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.id_set import IdSet
from rec_assets.features.store.unavailable import Ids, UnavailableItems
from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.circuit_breaker import valkey_breaker
from rec_assets.serving.stages.followed.follow import FollowedCopy, follow
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect_for_requests


class Unavailable(FollowedCopy[IdSet]):
    """Answers which candidates are unavailable: as the bundle's catalog says until a catalog update was written."""

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "Unavailable":
        """Reads the catalog of the bundle and the store, and follows later updates of the store."""
        import polars as pl

        catalog = pl.scan_parquet(bundle.file("catalogue"))
        if "available" in catalog.collect_schema():  # bundles of earlier releases lack the column
            hidden = catalog.filter(~pl.col("available")).select("item_id").collect()["item_id"].sort().to_numpy()
        else:
            hidden = np.empty(0)
        store = UnavailableItems(connect_for_requests(settings))
        consequence = "The catalog updates are unavailable, so lists may show withdrawn items"
        guard = StoreGuard("unavailable_items", consequence, valkey_breaker(settings))
        copy = cls(IdSet(hidden.astype(np.int32)), store.version, lambda: IdSet(store.items()), guard)
        copy.refresh()
        follow(copy, "unavailable_items")
        return copy

    def __call__(self, items: Ids) -> npt.NDArray[np.bool_]:
        """Returns True for unavailable items [N]."""
        return self.value.has(items)
