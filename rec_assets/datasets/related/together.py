"""Bought together: items of the same baskets, and among them the complements of an item."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from rec_assets.datasets.neighbors.item_weights import strongest
from rec_assets.datasets.related.baskets import best
from rec_assets.features.signals.neighbors import Neighbors

LENGTH = 50
PRIOR_BASKETS = 20  # baskets at the shop's shares that are added to the baskets of an item
OFTEN = 0.2  # share of an item's baskets from which on an item of the same category counts as a complement
DAMPING = 0.2  # exponent of the share of all baskets that divides a complement's probability

Ids = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class _Pairs:
    """Pairs of an item and another item, with the probability of the other item to be in a basket of the item.

    Attributes:
        rows, columns: encoded item and other item [n].
        chances: float64 [n].
        share: share of all baskets with each item [v].
    """

    rows: Ids
    columns: Ids
    chances: npt.NDArray[np.float64]
    share: npt.NDArray[np.float64]


def bought_together(baskets: sparse.csr_matrix) -> Neighbors:
    """Returns the `LENGTH` items of each item with the largest probability to be in one of its baskets.

    The probability is shrunk by `PRIOR_BASKETS` baskets toward the share of all baskets. An item without baskets has
    no list. `baskets` is the result of `basket_matrix`.
    """
    pairs = _pairs(baskets)
    return strongest(pairs.rows, pairs.columns, pairs.chances, baskets.shape[1], LENGTH)


def complements(baskets: sparse.csr_matrix, categories: Ids) -> Neighbors:
    """Returns the `LENGTH` strongest complements of each item.

    A complement is bought together with the item and is no substitute: its finest category is another one, or it is in
    at least the share `OFTEN` of the item's baskets. Its weight is its probability as in `bought_together`, divided by
    its share of all baskets to the power of `DAMPING`. Without this, the most popular items would fill every list.

    Args:
        baskets: result of `basket_matrix`.
        categories: finest category by encoded id [v].
    """
    pairs = _pairs(baskets)
    kept = (categories[pairs.rows] != categories[pairs.columns]) | (pairs.chances >= OFTEN)
    rows, columns = pairs.rows[kept], pairs.columns[kept]
    weights = pairs.chances[kept] / pairs.share[columns] ** DAMPING
    return strongest(rows, columns, weights, baskets.shape[1], LENGTH)


def _pairs(baskets: sparse.csr_matrix) -> _Pairs:
    size = baskets.shape[1]
    of_item = np.asarray(baskets.sum(axis=0)).ravel()
    share = of_item / max(baskets.shape[0], 1)
    both = (baskets.T @ baskets).tocoo()
    # The prior alone can bring the most popular items into a list.
    popular, items = best(of_item, LENGTH + 1), np.flatnonzero(of_item)
    rows = np.concatenate([both.row, np.repeat(items, len(popular))])
    columns = np.concatenate([both.col, np.tile(popular, len(items))])
    counts = np.concatenate([both.data, np.zeros(len(items) * len(popular))])
    pairs = sparse.coo_matrix((counts, (rows, columns)), (size, size)).tocsr().tocoo()  # one entry of each pair
    other = pairs.row != pairs.col
    rows, columns, counts = pairs.row[other], pairs.col[other], pairs.data[other]
    chances = (counts + PRIOR_BASKETS * share[columns]) / (of_item[rows] + PRIOR_BASKETS)
    return _Pairs(rows, columns, chances, share)


def together_with(baskets: sparse.csr_matrix, item: int, k: int) -> npt.NDArray[np.int64]:
    """Returns the items in most baskets with an item, int64 [≤ k]: the baseline of `bought_together`."""
    return completed_by(baskets, np.array([item]), k)


def completed_by(baskets: sparse.csr_matrix, cart: Ids, k: int) -> npt.NDArray[np.int64]:
    """Returns the items in most pairs of a basket and an item of a cart, int64 [≤ k]: the baseline of `complements`."""
    counts = np.zeros(baskets.shape[1])
    for item in cart:
        counts += np.asarray(baskets[baskets[:, item].nonzero()[0]].sum(axis=0)).ravel()
    counts[cart] = 0
    return best(counts, k)
