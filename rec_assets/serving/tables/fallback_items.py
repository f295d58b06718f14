"""Fills short lists with popular items, those of the user's own categories first."""

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.history import Ids
from rec_assets.inference.lookups import FIRST_KNOWN
from rec_assets.serving.tables.memory_mapped import signal_tables

POOL = 1000  # items that are considered, the most popular of the catalog: what a user saw in a week is less


class Fallback:
    """The most popular items of the shop, in an order for each user."""

    def __init__(self, items: Ids, categories: npt.NDArray[np.int32], of_item: npt.NDArray[np.int32]) -> None:
        """Takes raw ids and their categories, most popular first [P], and the category by encoded item id [V]."""
        self._items = items
        self._categories = categories
        self._of_item = of_item

    @classmethod
    def load(cls, bundle: Bundle) -> "Fallback":
        """Reads popularity and level-1 categories; raises ActionableError as `signal_tables`."""
        tables = signal_tables(bundle)
        known = np.argsort(-tables["popularity_week"][FIRST_KNOWN:], kind="stable")[:POOL] + FIRST_KNOWN
        return cls(bundle.lookups.decode("item_id", known), tables["category_l1"][known], tables["category_l1"])

    def order(self, history: Ids) -> Ids:
        """Returns raw ids, those of the categories of a history (encoded ids [LENGTH]) first; int32 [P]."""
        own = np.isin(self._categories, self._of_item[history[history >= FIRST_KNOWN]])
        return np.concatenate([self._items[own], self._items[~own]])
