"""Popular items that fill short lists, items of the user's own categories first."""

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.features.history import Ids
from rec_assets.inference.item_vectors import VECTORS
from rec_assets.inference.lookups import FIRST_KNOWN, Lookups
from rec_assets.serving.tables.memory_mapped import signal_tables

POOL = 1000  # most popular items of the catalog to choose from, more than a user sees in a week


class Fallback:
    """The most popular items of the catalog, ordered for each user."""

    def __init__(self, by_popularity: Ids, of_item: npt.NDArray[np.int32], lookups: Lookups) -> None:
        """Stores the items.

        Args:
            by_popularity: encoded ids, most popular first [p].
            of_item: level-1 category by encoded id [v].
            lookups: the fitted workflow.
        """
        self._by_popularity = by_popularity
        self._codes = by_popularity[:POOL]
        self._of_item = of_item
        self._lookups = lookups
        self._items = lookups.decode("item_id", self._codes)
        self._categories = of_item[self._codes]

    @classmethod
    def load(cls, bundle: Bundle) -> "Fallback":
        """Reads popularity and level-1 categories; raises ActionableError as `signal_tables`."""
        tables = signal_tables(bundle)
        by_popularity = np.argsort(-tables["popularity_week"][FIRST_KNOWN:], kind="stable") + FIRST_KNOWN
        # A withdrawn item keeps its code and has no vector.
        vectors = np.load(bundle.file("item_index").with_name(VECTORS), mmap_mode="r")
        indexed = np.zeros(len(by_popularity) + FIRST_KNOWN, np.bool_)
        indexed[: len(vectors)] = vectors.any(axis=1)
        known = by_popularity[indexed[by_popularity]].astype(np.int32)
        return cls(known, tables["group_l1"], bundle.lookups)

    def among(self, allowed: npt.NDArray[np.bool_]) -> "Fallback":
        """Returns the most popular items of those with True by encoded id [v], also unpopular ones."""
        kept = self._by_popularity[allowed[self._by_popularity]]
        return Fallback(kept[:POOL].copy(), self._of_item, self._lookups)

    def order(self, history: Ids, *, with_own: bool = True) -> Ids:
        """Returns raw ids int32, [POOL] or fewer; items in the categories of a history come first.

        Args:
            history: encoded ids [LENGTH].
            with_own: False leaves out the items of the history.
        """
        preferred = np.isin(self._categories, self._of_item[history[history >= FIRST_KNOWN]])
        if with_own:
            return np.concatenate([self._items[preferred], self._items[~preferred]])
        others = ~np.isin(self._codes, history)
        return np.concatenate([self._items[preferred & others], self._items[~preferred & others]])
