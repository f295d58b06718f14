"""Features of the candidates: those of the whole catalog held in memory, then as the models read them."""

import time
import weakref
from collections.abc import Callable, Mapping
from threading import Thread

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store import online
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import ITEM_VIEW
from rec_assets.inference.lookups import Lookups
from rec_assets.serving.stages.base import Array, Arrays, StoreGuard
from rec_assets.serving.stages.circuit_breaker import valkey_breaker
from rec_assets.serving.tables.item_features import PAUSE_S, ItemTable, ReadItems
from rec_assets.serving.tables.memory_mapped import content_tables
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect_for_requests

LOOK_EVERY_S = 1.0  # at the store's version: one GET

ReadVersion = Callable[[], bytes | None]


class ItemLookup:
    """Raw item features by item id: the online store's, kept in memory, or the bundle's where it has none."""

    def __init__(
        self, bundled: ItemTable, read_version: ReadVersion, read_items: ReadItems, outage: StoreGuard
    ) -> None:
        """Takes the bundle's features, what asks the store for its version and its items, and their outage."""
        self._bundled = bundled
        self._read_version = read_version
        self._read_items = read_items
        self._table = bundled
        self._version: bytes | None = None
        self.outage = outage

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "ItemLookup":
        """Reads the catalog and the online store, and from then on follows the store from a thread of its own."""
        client = connect_for_requests(settings, online.ONLINE_DB)
        consequence = "The online store is away, item features are those read last"
        stage = cls(
            ItemTable.of(bundle),
            lambda: client.get(online.ITEM_VERSION),
            OnlineReader(settings, ITEM_VIEW, online.BULK_TIMEOUT),
            StoreGuard("item_features", consequence, valkey_breaker(settings)),
        )
        stage.refresh(pause_s=0)
        Thread(target=_follow, args=(weakref.ref(stage),), name="item_features", daemon=True).start()
        return stage

    def refresh(self, pause_s: float = PAUSE_S) -> bool:
        """Looks at the store's version, and where it is another one reads all items; returns whether it did.

        Requests are answered from the table before until the new one is complete. A store without a version, which
        lost its data or never had any, changes nothing.

        Args:
            pause_s: seconds to rest between two chunks of items, so that requests get their turn.
        """
        version = self.outage.call(self._read_version)
        if version in (None, self._version):
            return False
        table = self.outage.call(lambda: self._bundled.updated(self._read_items, pause_s))
        if table is None:
            return False
        self._table, self._version = table, version
        return True

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """item_id int32 [N] → item_id, category_l1, category_l2, item_gender int32 [N], price float32 [N]."""
        if self.outage.is_away:
            self.outage.missed_calls += 1
        return self._table.rows(inputs["item_id"].astype(np.int32))


def _follow(stage: "weakref.ref[ItemLookup]") -> None:
    """Refreshes a stage every second for as long as somebody holds it."""
    while (held := stage()) is not None:
        held.refresh()
        del held
        time.sleep(LOOK_EVERY_S)


class ItemTransform:
    """Encodes and normalises item features."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "ItemTransform":
        """Reads the fitted workflow."""
        return cls(bundle.lookups)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Raw item features [N] → item_id, category_l1, category_l2, item_gender encoded, price_log_norm; [N] each."""
        names = ("item_id", "category_l1", "category_l2", "item_gender")
        encoded = {name: self._lookups.encode(name, inputs[name]) for name in names}
        return encoded | {"price_log_norm": self._lookups.price_log_norm(inputs["price"])}


class ContentLookup:
    """Image and text vectors by encoded item id."""

    def __init__(self, image: npt.NDArray[np.float32], text: npt.NDArray[np.float32]) -> None:
        self._image = image
        self._text = text

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "ContentLookup":
        """Reads both matrices; raises ActionableError where they are not one row an encoded item id."""
        return cls(**content_tables(bundle))

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Encoded item_id int32 [N] → image_embedding and text_embedding float32 [N, 64]."""
        items = inputs["item_id"]
        return {"image_embedding": self._image[items], "text_embedding": self._text[items]}
