"""Measures how well the vectors separate the categories of the catalog."""

import numpy as np
import numpy.typing as npt


def category_nearest_neighbor_accuracy(vectors: npt.NDArray[np.float32], labels: npt.ArrayLike) -> float:
    """Returns the share of items whose nearest other item has the same label: leave-one-out 1-NN accuracy.

    Args:
        vectors: float32 [n, d] of present items only, n >= 2. All pairs are compared, so sample above 20,000 items.
        labels: label of each item, for example `category_l1` [n].
    """
    from sklearn.neighbors import NearestNeighbors

    classes = np.asarray(labels)
    # Without a query, scikit-learn excludes each point from its own neighbors.
    nearest = NearestNeighbors(n_neighbors=1).fit(vectors).kneighbors(return_distance=False)[:, 0]
    return float((classes[nearest] == classes).mean())
