"""The current features and brands of all items, which filters read."""

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.store.item_attributes import UNKNOWN_BRAND, ItemAttributes
from rec_assets.serving.stages.allowed import GetCatalog
from rec_assets.serving.stages.followed.attributes import FollowedAttributes, GetAttributes
from rec_assets.serving.stages.items import ItemLookup
from rec_assets.serving.tables.item_features import RawItemFeatures
from rec_assets.settings import Settings


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
