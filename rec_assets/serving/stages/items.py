"""Stages for item features: raw features of the whole catalog in memory, then encoded features for the models."""

from collections.abc import Callable
from typing import cast

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import ITEM_VIEW
from rec_assets.inference.lookups import Lookups
from rec_assets.serving.graph.tensors import (
    FeastItemLookupInputs,
    FeastItemLookupOutputs,
    MultimodalEmbeddingLookupInputs,
    MultimodalEmbeddingLookupOutputs,
    NvtItemTransformInputs,
    NvtItemTransformOutputs,
)
from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.circuit_breaker import valkey_breaker
from rec_assets.serving.stages.followed.follow import follow
from rec_assets.serving.tables.item_features import PAUSE_S, RawItemFeatures, ReadItems
from rec_assets.serving.tables.memory_mapped import content_tables
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect, connect_for_requests
from rec_assets.storage.valkey.keys import ITEM_VERSION

ReadVersion = Callable[[], bytes | None]


class ItemLookup:
    """Looks up raw item features in memory: from the online store, or from the bundle for items without a row there."""

    def __init__(
        self, bundled: RawItemFeatures, read_version: ReadVersion, read_items: ReadItems, guard: StoreGuard
    ) -> None:
        """Creates a stage that answers from the bundle's features until `refresh` reads the store.

        Args:
            bundled: item features of the bundle.
            read_version: returns the version of the store's item features, None without one.
            read_items: returns the store's features of some items.
            guard: guard of both reads.
        """
        self._bundled = bundled
        self._read_version = read_version
        self._read_items = read_items
        self._table = bundled
        self._version: bytes | None = None
        self.guard = guard

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "ItemLookup":
        """Reads the catalog and the online store, and starts a thread that follows later versions of the store."""
        client = connect_for_requests(settings)
        consequence = "The online store is unavailable, so item features are those of the last read"
        stage = cls(
            RawItemFeatures.of(bundle),
            lambda: client.get(ITEM_VERSION),
            OnlineReader(settings, ITEM_VIEW, connect(settings)),
            StoreGuard("item_features", consequence, valkey_breaker(settings)),
        )
        stage.refresh(pause_s=0)
        follow(stage, "item_features")
        return stage

    @property
    def table(self) -> RawItemFeatures:
        """Returns the current features of all items; a new object after each change."""
        return self._table

    def refresh(self, pause_s: float = PAUSE_S) -> bool:
        """Reads all items if the store's version changed; returns True if it replaced the table.

        Requests are answered from the old table until the new one is complete. A store without a version has lost its
        data or never had any. In this case the table stays.

        Args:
            pause_s: seconds to sleep after each chunk of items, so that requests are not delayed.
        """
        version = self.guard.call(self._read_version)
        if version in (None, self._version):
            return False
        table = self.guard.call(lambda: self._bundled.updated(self._read_items, pause_s))
        if table is None:
            return False
        self._table, self._version = table, version
        return True

    def __call__(self, inputs: FeastItemLookupInputs) -> FeastItemLookupOutputs:
        """Maps item_id int32 [N] → item_id, category_l1, category_l2, item_gender int32 [N], price float32 [N].

        Once the store was read, also `differs` bool [N]: True for items whose features are not those of the bundle.
        """
        if self.guard.is_away:
            self.guard.missed_calls += 1
        return cast(FeastItemLookupOutputs, self._table.rows(inputs["item_id"].astype(np.int32)))


class ItemTransform:
    """Encodes and normalizes item features."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "ItemTransform":
        """Reads the fitted workflow."""
        return cls(bundle.lookups)

    def __call__(self, inputs: NvtItemTransformInputs) -> NvtItemTransformOutputs:
        """Maps raw features [N] → item_id, category_l1, category_l2, item_gender encoded, price_log_norm; [N] each."""
        encode = self._lookups.encode
        return {
            "item_id": encode("item_id", inputs["item_id"]),
            "category_l1": encode("category_l1", inputs["category_l1"]),
            "category_l2": encode("category_l2", inputs["category_l2"]),
            "item_gender": encode("item_gender", inputs["item_gender"]),
            "price_log_norm": self._lookups.price_log_norm(inputs["price"]),
        }


class ContentLookup:
    """Looks up image and text vectors by encoded item id."""

    def __init__(self, image: npt.NDArray[np.float32], text: npt.NDArray[np.float32]) -> None:
        self._image = image
        self._text = text

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "ContentLookup":
        """Reads both matrices; raises ActionableError unless they have one row per encoded item id."""
        return cls(**content_tables(bundle))

    def __call__(self, inputs: MultimodalEmbeddingLookupInputs) -> MultimodalEmbeddingLookupOutputs:
        """Maps encoded item_id int32 [N] → image_embedding and text_embedding float32 [N, 64]."""
        items = inputs["item_id"]
        return {"image_embedding": self._image[items], "text_embedding": self._text[items]}
