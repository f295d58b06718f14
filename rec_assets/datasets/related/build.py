"""Builds the related items of a bundle from the files of its item index and the log that the index was built with."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.datasets.neighbors.item_neighbors import item_cosines
from rec_assets.datasets.related.baskets import basket_matrix
from rec_assets.datasets.related.similar import similar_items
from rec_assets.datasets.related.tables import COMPLEMENT, SIMILAR, TOGETHER, RelatedItems
from rec_assets.datasets.related.together import bought_together, complements
from rec_assets.features.history import InteractionLog
from rec_assets.inference.item_vectors import VECTORS


def related_items(index: Path, log: InteractionLog, categories: npt.NDArray[np.integer[Any]]) -> RelatedItems:
    """Returns the related items of each item; equal inputs give equal tables.

    Args:
        index: folder of the item index, with vectors by encoded id.
        log: interactions with encoded ids.
        categories: finest category of each encoded item [v].
    """
    size = len(categories)
    baskets = basket_matrix(log, size)
    similar = similar_items(np.load(index / VECTORS), item_cosines(log, size))
    together = {TOGETHER: bought_together(baskets), COMPLEMENT: complements(baskets, categories)}
    return RelatedItems({SIMILAR: similar, **together})
