"""Measures how much of the catalogue's structure the vectors carry."""

import numpy as np
import numpy.typing as npt


def category_nearest_neighbor_accuracy(vectors: npt.NDArray[np.float32], labels: npt.ArrayLike) -> float:
    """Returns the share of items whose nearest other item has the same label: leave-one-out 1-NN accuracy.

    Args:
        vectors: float32 [n, d], of present items only, n >= 2. Compares all pairs: sample above some 20,000.
        labels: [n], say `category_l1`.
    """
    from sklearn.neighbors import NearestNeighbors

    classes = np.asarray(labels)
    # Asked without a query, scikit-learn leaves each point out of its own neighbors.
    nearest = NearestNeighbors(n_neighbors=1).fit(vectors).kneighbors(return_distance=False)[:, 0]
    return float((classes[nearest] == classes).mean())
