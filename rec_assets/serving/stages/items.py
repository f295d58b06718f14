"""What the candidates are: features of the whole catalogue held in memory, then as the models read them."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from rec_assets.features import online
from rec_assets.features.views import ITEM_FEATURES
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.item_tables import content_tables
from rec_assets.serving.lookups import Lookups
from rec_assets.serving.stages.base import Array, Arrays, Outage
from rec_assets.settings import Settings


class ItemLookup:
    """Raw item features by item id: the online store's, read once, and the bundle's catalogue where it has none."""

    def __init__(self, item_ids: npt.NDArray[np.int32], columns: Arrays, outage: Outage) -> None:
        """Takes sorted ids [V], `ITEM_FEATURES` [V], and how reading them from the store went."""
        self._item_ids = item_ids
        # One more row, at -1, for an item that is not in the catalogue.
        unknown = online.OnlineRows.missing(1, ITEM_FEATURES).columns
        self._columns = {name: np.concatenate([columns[name], unknown[name]]) for name in ITEM_FEATURES}
        self.outage = outage

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "ItemLookup":
        """Reads the catalogue, and from the online store what is newer."""
        catalogue = bundle.catalogue()
        item_ids = catalogue["item_id"].to_numpy().astype(np.int32)
        columns: Arrays = {name: catalogue[name].to_numpy().astype(dtype) for name, dtype in ITEM_FEATURES.items()}
        store = online.open_store(settings, online.BULK_TIMEOUT)
        outage = Outage("item_features", "The online store is away, item features are the bundle's own")
        newer = outage.survive(lambda: online.read_items(store, item_ids))
        if newer is not None:
            columns = {name: np.where(newer.known, newer.columns[name], columns[name]) for name in columns}
        return cls(item_ids, columns, outage)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """item_id int32 [N] → item_id, category_l1, category_l2, item_gender int32 [N], price float32 [N]."""
        items = inputs["item_id"].astype(np.int32)
        row = np.searchsorted(self._item_ids, items)
        found = self._item_ids[np.minimum(row, len(self._item_ids) - 1)] == items
        row = np.where(found, row, -1)
        return {"item_id": items} | {name: values[row] for name, values in self._columns.items()}


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
    """What an item looks like and how it reads, as vectors by encoded item id."""

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
