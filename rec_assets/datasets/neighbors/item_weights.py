"""Weights between items from the users or baskets that have both: shrunk cosines, and a linear model."""

from typing import Any

import numpy as np
import numpy.typing as npt
from implicit.nearest_neighbours import ItemItemRecommender
from scipy import linalg, sparse

from rec_assets.features.signals.neighbors import Neighbors


def linear_weights(chosen: sparse.csr_matrix, ridge: float) -> npt.NDArray[np.float64]:
    """Returns the weights of EASE (Steck, 2019), [items, items]; the diagonal is 0.

    A sum of rows is the prediction of a ridge regression of each item on all others. So of two items that the same
    users chose, the more specific one has the larger weight.

    Args:
        chosen: 1 for each user and item with an interaction, [users, items].
        ridge: penalty of the weights, in users.
    """
    gram = (chosen.T @ chosen).toarray().astype(np.float64)
    gram[np.diag_indices_from(gram)] += ridge
    weights: npt.NDArray[np.float64] = linalg.inv(gram, overwrite_a=True, check_finite=False)
    weights /= -np.diag(weights)
    np.fill_diagonal(weights, 0)
    return weights


def linear_neighbors(chosen: sparse.csr_matrix, most: int, ridge: float, count: int) -> Neighbors:
    """Returns the `count` largest positive weights of each of the `most` most chosen items; others have none.

    Args:
        chosen: as for `linear_weights`.
        most: number of items in the linear model; its matrix has the square of it.
        ridge: as for `linear_weights`.
        count: number of neighbors of each item.
    """
    users = np.asarray(chosen.sum(axis=0)).ravel()
    popular = np.argsort(-users, kind="stable")[:most]
    popular = np.sort(popular[users[popular] > 0])
    weights = linear_weights(chosen[:, popular], ridge)
    count = min(count, len(popular))
    largest = np.argpartition(-weights, count - 1, axis=1)[:, :count] if count else np.zeros((0, 0), np.int64)
    rows, values = np.arange(len(popular)).repeat(count), np.take_along_axis(weights, largest, axis=1).ravel()
    kept = values > 0
    return strongest(popular[rows[kept]], popular[largest.ravel()[kept]], values[kept], chosen.shape[1], count)


def nearest_items(chosen: sparse.csr_matrix, shrinkage: float, count: int) -> Neighbors:
    """Returns the `count` items with the largest cosine of each item; an item is no neighbor of itself.

    Args:
        chosen: 1 for each user or basket and each of its items, [rows, items].
        shrinkage: as for `shrunk_cosines`.
        count: number of neighbors of each item.
    """
    size = chosen.shape[1]
    similar = shrunk_cosines(chosen, shrinkage, count + 1).tocoo()
    other = (similar.row != similar.col) & (similar.data > 0)
    rows, columns, values = similar.row[other], similar.col[other], similar.data[other]
    return strongest(rows, columns, values, size, count)


def strongest(
    rows: npt.NDArray[np.integer[Any]],
    columns: npt.NDArray[np.integer[Any]],
    values: npt.NDArray[np.floating[Any]],
    size: int,
    count: int,
) -> Neighbors:
    """Returns the `count` pairs of each row with the largest values, ties by column.

    Args:
        rows: encoded item of each pair [n].
        columns: encoded neighbor of each pair [n].
        values: positive weight of each pair [n].
        size: number of encoded items.
        count: number of neighbors of each item.
    """
    order = np.lexsort((columns, -values, rows))
    rows, columns, values = rows[order], columns[order], values[order]
    rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
    kept = rank < count
    neighbors = Neighbors(np.zeros((size, count), np.int32), np.zeros((size, count), np.float32))
    neighbors.item_ids[rows[kept], rank[kept]] = columns[kept]
    neighbors.weights[rows[kept], rank[kept]] = values[kept]
    return neighbors


def shrunk_cosines(chosen: sparse.csr_matrix, shrinkage: float, count: int) -> sparse.csr_matrix:
    """Returns the `count` largest cosines of each item with the other items and itself, [items, items].

    Args:
        chosen: 1 for each user and item with an interaction, [users, items].
        shrinkage: added to the number of users of both items, because rare items share users by chance.
        count: number of cosines of each item.
    """
    users = np.asarray(chosen.sum(axis=0)).ravel()
    model = ItemItemRecommender(K=count, num_threads=1)
    model.fit((chosen @ sparse.diags(1 / np.sqrt(users + shrinkage))).tocsr(), show_progress=False)
    return model.similarity
