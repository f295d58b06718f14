"""Popular items that fill short lists, items of the user's own categories first."""

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.history import Ids
from rec_assets.inference.item_vectors import VECTORS
from rec_assets.inference.lookups import FIRST_KNOWN
from rec_assets.serving.tables.memory_mapped import signal_tables

POOL = 1000  # most popular items of the catalog to choose from, more than a user sees in a week


class Fallback:
    """The most popular items of the catalog, ordered for each user."""

    def __init__(self, items: Ids, categories: npt.NDArray[np.int32], of_item: npt.NDArray[np.int32]) -> None:
        """Stores raw ids and their categories, most popular first [P], and the category by encoded item id [V]."""
        self._items = items
        self._categories = categories
        self._of_item = of_item

    @classmethod
    def load(cls, bundle: Bundle) -> "Fallback":
        """Reads popularity and level-1 categories; raises ActionableError as `signal_tables`."""
        tables = signal_tables(bundle)
        by_popularity = np.argsort(-tables["popularity_week"][FIRST_KNOWN:], kind="stable") + FIRST_KNOWN
        # A withdrawn item keeps its code and has no vector.
        vectors = np.load(bundle.file("item_index").with_name(VECTORS), mmap_mode="r")
        indexed = np.zeros(len(by_popularity) + FIRST_KNOWN, np.bool_)
        indexed[: len(vectors)] = vectors.any(axis=1)
        known = by_popularity[indexed[by_popularity]][:POOL]
        return cls(bundle.lookups.decode("item_id", known), tables["group_l1"][known], tables["group_l1"])

    def order(self, history: Ids) -> Ids:
        """Returns raw ids int32 [P]; items in the categories of a history (encoded ids [LENGTH]) come first."""
        preferred = np.isin(self._categories, self._of_item[history[history >= FIRST_KNOWN]])
        return np.concatenate([self._items[preferred], self._items[~preferred]])
