"""Baskets of an interaction log, the input of the lists that count pairs of items."""

from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from rec_assets.features.baskets import VISIT_S, basket_starts
from rec_assets.features.history import InteractionLog


def basket_numbers(log: InteractionLog) -> npt.NDArray[np.int64]:
    """Returns the basket of each row, from 0, int64 [n]: rows of one visit (`VISIT_S`)."""
    return np.cumsum(basket_starts(log.user_ids, log.timestamps, VISIT_S)) - 1


def basket_matrix(log: InteractionLog, size: int) -> sparse.csr_matrix:
    """Returns 1 for each basket and each of its items, [baskets, size]; `size` is the number of encoded items."""
    baskets = basket_numbers(log)
    shape = (int(baskets.max(initial=-1)) + 1, size)
    return sparse.csr_matrix((np.ones(len(baskets)), (baskets, log.item_ids)), shape).sign()


def popularity(log: InteractionLog, size: int) -> npt.NDArray[np.int64]:
    """Returns the rows of each encoded item, int64 [size]."""
    return np.bincount(log.item_ids, minlength=size)


def best(scores: npt.NDArray[Any], k: int) -> npt.NDArray[np.int64]:
    """Returns the positions of at most `k` positive scores [n], best first, ties by position."""
    order = np.argsort(-scores, kind="stable")[:k]
    return order[scores[order] > 0]
