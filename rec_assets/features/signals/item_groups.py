"""Groups of similar items at two levels: the shop's categories; without categories, clusters of content vectors."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.signals.item_signals import ItemCategories

CLUSTERS = {"l1": 30, "l2": 200}
ITEMS_PER_CLUSTER = 10  # a small catalog gets fewer clusters

Codes = npt.NDArray[np.integer[Any]]


def item_groups(l1: Codes, l2: Codes, content: npt.NDArray[np.float32], first: int) -> ItemCategories:
    """Returns the categories, or clusters if all items have the same level-2 category.

    Groups are inputs of ratios only, so their numbers have no meaning and may change between trainings.

    Args:
        l1: level-1 category by encoded item id [v].
        l2: level-2 category by encoded item id [v].
        content: content vector by encoded item id, zero without content, float32 [v, d].
        first: first encoded id of the catalog.
    """
    if len(np.unique(l2[first:])) > 1 or not content.any():
        return ItemCategories(l1, l2)
    return ItemCategories(*(_clusters(content, first, CLUSTERS[level]) for level in ("l1", "l2")))


def _clusters(content: npt.NDArray[np.float32], first: int, most: int) -> npt.NDArray[np.int32]:
    from sklearn.cluster import MiniBatchKMeans

    items = content[first:]
    count = max(1, min(most, len(items) // ITEMS_PER_CLUSTER))
    found = MiniBatchKMeans(count, random_state=0, n_init=3).fit_predict(items)
    result = np.zeros(len(content), np.int32)
    result[first:] = found + 1
    return result
