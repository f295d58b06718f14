"""Bought together: items of the same baskets."""

import numpy as np
import numpy.typing as npt
from scipy import sparse

from rec_assets.datasets.item_weights import strongest
from rec_assets.datasets.related.baskets import best
from rec_assets.features.signals.neighbors import Neighbors

LENGTH = 50
PRIOR_BASKETS = 20  # baskets at the shop's shares that are added to the baskets of an item


def bought_together(baskets: sparse.csr_matrix) -> Neighbors:
    """Returns the `LENGTH` items of each item with the largest probability to be in one of its baskets.

    The probability is shrunk by `PRIOR_BASKETS` baskets toward the share of all baskets. An item without baskets has
    no list. `baskets` is the result of `basket_matrix`.
    """
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
    values = (counts + PRIOR_BASKETS * share[columns]) / (of_item[rows] + PRIOR_BASKETS)
    return strongest(rows, columns, values, size, LENGTH)


def together_with(baskets: sparse.csr_matrix, item: int, k: int) -> npt.NDArray[np.int64]:
    """Returns the items in most baskets with an item, int64 [≤ k]: the baseline of `bought_together`."""
    counts = np.asarray(baskets[baskets[:, item].nonzero()[0]].sum(axis=0)).ravel()
    counts[item] = 0
    return best(counts, k)
