"""Builds the related items of a bundle from the files of its item index and the log that the index was built with."""

from pathlib import Path

import numpy as np

from rec_assets.datasets.item_neighbors import item_cosines
from rec_assets.datasets.related.baskets import basket_matrix
from rec_assets.datasets.related.similar import similar_items
from rec_assets.datasets.related.tables import SIMILAR, TOGETHER, RelatedItems
from rec_assets.datasets.related.together import bought_together
from rec_assets.features.history import InteractionLog
from rec_assets.inference.item_vectors import VECTORS


def related_items(index: Path, log: InteractionLog, size: int) -> RelatedItems:
    """Returns the related items of each item; equal inputs give equal tables.

    Args:
        index: folder of the item index, with vectors by encoded id.
        log: interactions with encoded ids.
        size: number of encoded items.
    """
    similar = similar_items(np.load(index / VECTORS), item_cosines(log, size))
    return RelatedItems({SIMILAR: similar, TOGETHER: bought_together(basket_matrix(log, size))})
