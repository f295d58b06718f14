"""The attributes of items (brand, margin, stock), kept in memory beside the stages and refreshed within a second."""

from collections.abc import Callable

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store.item_attributes import (
    NO_ATTRIBUTES,
    UNKNOWN_BRAND,
    ItemAttributes,
    StoredItemAttributes,
)
from rec_assets.serving.stages.allowed import GetCatalog
from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.circuit_breaker import valkey_breaker
from rec_assets.serving.stages.followed.follow import FollowedCopy, follow
from rec_assets.serving.stages.items import ItemLookup
from rec_assets.serving.tables.item_features import RawItemFeatures
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect_for_requests

GetAttributes = Callable[[], ItemAttributes]


def no_attributes() -> ItemAttributes:
    """Returns no attributes, for stages without a shop."""
    return NO_ATTRIBUTES


class FollowedAttributes(FollowedCopy[ItemAttributes]):
    """Returns the attributes of the store; none until a catalog update was written."""

    @classmethod
    def load(cls, settings: Settings) -> "FollowedAttributes":
        """Reads the attributes and follows later ones; Valkey may be unavailable."""
        store = StoredItemAttributes(connect_for_requests(settings))
        consequence = "The attributes of items are unavailable, so filters and rules read those of the last read"
        guard = StoreGuard("item_attributes", consequence, valkey_breaker(settings))
        copy = cls(NO_ATTRIBUTES, store.version, store.attributes, guard)
        copy.refresh()
        follow(copy, "item_attributes")
        return copy

    def __call__(self) -> ItemAttributes:
        """Returns the current attributes; a new object after each change."""
        return self.value


def read_catalog(bundle: Bundle, settings: Settings) -> GetCatalog:
    """Reads the features and the attributes of all items, and follows later ones."""
    items = ItemLookup.load(bundle, settings)
    return CatalogWithBrands(lambda: items.table, FollowedAttributes.load(settings))


class CatalogWithBrands:
    """Returns the current features of all items and their brands; the same object until one of them changes."""

    def __init__(self, features: GetCatalog, attributes: GetAttributes) -> None:
        self._features = features
        self._attributes = attributes
        self._made: tuple[RawItemFeatures, ItemAttributes, RawItemFeatures] | None = None

    def __call__(self) -> RawItemFeatures:
        """Returns the features with a column `brand`, -1 for an unknown one."""
        features, attributes = self._features(), self._attributes()
        made = self._made
        if made is None or made[0] is not features or made[1] is not attributes:
            brands = np.append(attributes.at(features.item_ids).brand, np.int32(UNKNOWN_BRAND))
            columns = features.columns | {"brand": brands}
            made = self._made = features, attributes, RawItemFeatures(features.item_ids, columns)
        return made[2]
