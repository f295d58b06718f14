"""Scores of each baseline: popularity, repeat purchases, item neighbors, matrix factors, a linear model of items.

ALS is implicit's own class. RecTools wraps it, but its models return lists without the scores of all items, which
`first_then` combines.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import BM25Recommender
from scipy import sparse
from threadpoolctl import threadpool_limits

from rec_assets.datasets.neighbors.item_weights import linear_weights, shrunk_cosines
from rec_assets.evaluation.baselines.interaction_matrix import InteractionMatrix, Rows, Scores

NEIGHBORS = 50
FACTORS = 128
EASE_ITEMS = 4_000  # the inverse of a matrix of all items would not fit into memory for large catalogs


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


def item_knn_bm25(matrix: InteractionMatrix, saturation: float) -> Scores:
    """Sums the BM25 similarities of an item with the items of all the user's interactions, as implicit does.

    Args:
        matrix: the interactions.
        saturation: K1 of BM25; with a higher value, repeated interactions count more.
    """
    counts = matrix.sparse()
    model = BM25Recommender(K=NEIGHBORS, K1=saturation, num_threads=1)
    model.fit(counts, show_progress=False)
    return lambda rows: (counts[rows] @ model.similarity).toarray().astype(np.float32)


def ease(matrix: InteractionMatrix, ridge: float) -> Scores:
    """Solves EASE (Steck, 2019), a linear model of each item by the others, for the most popular `EASE_ITEMS`.

    The other items follow in the order of popularity. RecTools has this model, but not for a part of the catalog.

    Args:
        matrix: the interactions.
        ridge: penalty of the weights, in users.
    """
    chosen = matrix.sparse().sign()[:, :EASE_ITEMS]
    weights = linear_weights(chosen, ridge).astype(np.float32)

    def scores(rows: Rows) -> npt.NDArray[np.float32]:
        scored = np.asarray(chosen[rows].astype(np.float32) @ weights)
        others = len(matrix.item_ids) - scored.shape[1]
        return np.pad(scored, ((0, 0), (0, others)), constant_values=float(scored.min(initial=0)) - 1)

    return scores


def first_then(first: Scores, then: Scores) -> Scores:
    """Ranks items that `first` scores above zero, then the other items by `then`; `first` has no negative scores."""

    def both(rows: Rows) -> npt.NDArray[np.float32]:
        leading, other = first(rows), then(rows)
        return np.where(leading > 0, other.max(axis=1, keepdims=True) + 1 + leading, other)

    return both


def _of_matrix(matrix: sparse.csr_matrix) -> Scores:
    return lambda rows: matrix[rows].toarray().astype(np.float32)
