"""Similar items: near in the space of the candidate tower, or chosen by the same users. Covers items without rows."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.datasets.related.baskets import best
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.inference.item_index import build_index
from rec_assets.inference.item_vectors import ItemVectors

LENGTH = 50  # similar items of each item
ITEMS_AT_ONCE = 4_096

Ids = npt.NDArray[np.int64]


def similar_items(vectors: npt.NDArray[np.float32], chosen: Neighbors) -> Neighbors:
    """Returns the `LENGTH` most similar items of each item with a vector.

    The score is the cosine of the two vectors plus the cosine of the users. The vectors are computed from content and
    category too, so an item that nobody chose has similar items, and is one.

    Args:
        vectors: item vectors by encoded id, zero without an item, float32 [v, d].
        chosen: neighbors of items by the users who chose both, of at most v items.
    """
    size = len(vectors)
    items = np.flatnonzero(vectors.any(axis=1)).astype(np.int32)
    unit = np.zeros_like(vectors)
    unit[items] = vectors[items] / np.linalg.norm(vectors[items], axis=1, keepdims=True)
    result = Neighbors(np.zeros((size, LENGTH), np.int32), np.zeros((size, LENGTH), np.float32))
    if not len(items):
        return result
    index = build_index(ItemVectors(items, unit[items]), gpu=False)
    for start in range(0, len(items), ITEMS_AT_ONCE):
        rows = items[start : start + ITEMS_AT_ONCE]
        near = index.search(unit[rows], min(2 * LENGTH, len(items)))[1].astype(np.int32)
        ids, scores = _scored(rows, np.maximum(near, 0), unit, chosen)
        result.item_ids[rows, : ids.shape[1]], result.weights[rows, : ids.shape[1]] = ids, scores
    return result


def same_category(categories: npt.NDArray[np.integer[Any]], rows: Ids, item: int, k: int) -> Ids:
    """Returns the most popular items of an item's category, int64 [≤ k]: the baseline of `similar_items`.

    Args:
        categories: category by encoded id [v].
        rows: rows of each encoded item [v].
        item: encoded id.
        k: maximum length of the list.
    """
    scores = np.where(categories == categories[item], rows, 0)
    scores[item] = 0
    return best(scores, k)


def _scored(
    rows: npt.NDArray[np.int32], near: npt.NDArray[np.int32], unit: npt.NDArray[np.float32], chosen: Neighbors
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Returns the best candidates of each row by the sum of both cosines, [n, ≤ LENGTH] each, weight 0 at the end."""
    ids, weights = _chosen_of(rows, chosen, len(unit))
    cosines = np.einsum("nkd,nd->nk", unit[near], unit[rows])
    of_users = np.einsum("nkd,nd->nk", unit[ids], unit[rows])
    # An item of both sources is scored among the neighbors.
    is_twice = (near[:, :, None] == np.where(weights > 0, ids, -1)[:, None, :]).any(axis=2)
    listed = np.concatenate([ids, near], axis=1)
    scores = np.concatenate(
        [
            np.where(weights > 0, of_users + weights, 0),
            np.where(is_twice | (near == rows[:, None]), 0, cosines),
        ],
        axis=1,
    )
    scores = np.maximum(scores, 0)
    order = np.lexsort((listed, -scores), axis=1)[:, :LENGTH]
    return np.take_along_axis(listed, order, axis=1), np.take_along_axis(scores, order, axis=1).astype(np.float32)


def _chosen_of(
    rows: npt.NDArray[np.int32], chosen: Neighbors, size: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
    """Returns the neighbors of items, with weight 0 for items that have none or that are beyond the vectors."""
    known = rows < len(chosen.item_ids)
    ids, weights = chosen.item_ids[np.where(known, rows, 0)], chosen.weights[np.where(known, rows, 0)]
    weights = np.where(known[:, None] & (ids < size), weights, 0)
    return np.where(weights > 0, ids, 0), weights
