"""Scores of each baseline: popularity, repeat purchases, item neighbors, matrix factors.

ALS is implicit's own class. RecTools wraps it, but its models return lists without the scores of all items, which
`first_then` combines.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from implicit.cpu.als import AlternatingLeastSquares
from scipy import sparse
from threadpoolctl import threadpool_limits

from rec_assets.datasets.item_neighbors import shrunk_cosines
from rec_assets.evaluation.baselines.interaction_matrix import InteractionMatrix, Rows, Scores

NEIGHBORS = 50
FACTORS = 128


class AlsSetting(NamedTuple):
    """Settings of ALS: the weight of one interaction, and the ridge penalty of the factors."""

    alpha: float
    regularization: float


def popularity(matrix: InteractionMatrix) -> Scores:
    """Scores all items alike, so the matrix's order by popularity remains."""
    return lambda rows: np.zeros((len(rows), len(matrix.item_ids)), np.float32)


def repeat(matrix: InteractionMatrix, half_life_days: float) -> Scores:
    """Scores the items of the user's history; the weight of an interaction halves with every half-life."""
    return _of_matrix(matrix.sparse(np.exp2(-matrix.ages / half_life_days)))


def item_knn(matrix: InteractionMatrix, shrinkage: float) -> Scores:
    """Sums the cosines of an item with the items of all the user's interactions; an item is also its own neighbor."""
    counts = matrix.sparse()
    similarity = shrunk_cosines(counts.sign(), shrinkage, NEIGHBORS)
    return lambda rows: (counts[rows] @ similarity).toarray().astype(np.float32)


def als(matrix: InteractionMatrix, setting: AlsSetting, seed: int) -> Scores:
    """Trains alternating least squares on counts (Hu, Koren and Volinsky, 2008), on one thread to be reproducible."""
    with threadpool_limits(1, "blas"):  # the threads of BLAS slow down those of implicit
        model = AlternatingLeastSquares(
            factors=FACTORS,
            alpha=setting.alpha,
            regularization=setting.regularization,
            num_threads=1,
            random_state=seed,
        )
        model.fit(matrix.sparse(), show_progress=False)
    users, items = model.user_factors, model.item_factors
    return lambda rows: users[rows] @ items.T


def first_then(first: Scores, then: Scores) -> Scores:
    """Ranks items that `first` scores above zero, then the other items by `then`; `first` has no negative scores."""

    def both(rows: Rows) -> npt.NDArray[np.float32]:
        leading, other = first(rows), then(rows)
        return np.where(leading > 0, other.max(axis=1, keepdims=True) + 1 + leading, other)

    return both


def _of_matrix(matrix: sparse.csr_matrix) -> Scores:
    return lambda rows: matrix[rows].toarray().astype(np.float32)
