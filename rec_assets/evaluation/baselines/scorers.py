"""Scores of each baseline: popularity, repeat purchases, item neighbors, matrix factors."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import ItemItemRecommender
from scipy import sparse
from threadpoolctl import threadpool_limits

from rec_assets.evaluation.baselines.interaction_matrix import Log, Rows, Scores

NEIGHBOURS = 50
FACTORS = 128


class AlsSetting(NamedTuple):
    """The weight of one interaction, and the ridge that a user with a few of them is held by."""

    alpha: float
    regularization: float


def popularity(log: Log) -> Scores:
    """Nothing but the order of the log."""
    return lambda rows: np.zeros((len(rows), len(log.item_ids)), np.float32)


def repeat(log: Log, half_life_days: float) -> Scores:
    """Scores the user's own items: every interaction counts, half as much each half-life ago."""
    return _of_matrix(log.matrix(np.exp2(-log.ages / half_life_days)))


def item_knn(log: Log, shrinkage: float) -> Scores:
    """Sums the cosine of an item with all that the user chose, as often as he did; an item is its own neighbor too.

    Shrinkage is added to both items' numbers of users: what two rare items share is chance.
    """
    counts = log.matrix()
    chosen = counts.sign()
    users = np.asarray(chosen.sum(axis=0)).ravel()
    model = ItemItemRecommender(K=NEIGHBOURS, num_threads=1)
    model.fit((chosen @ sparse.diags(1 / np.sqrt(users + shrinkage))).tocsr(), show_progress=False)
    similarity = model.similarity
    return lambda rows: (counts[rows] @ similarity).toarray().astype(np.float32)


def als(log: Log, setting: AlsSetting, seed: int) -> Scores:
    """Alternating least squares on counts (Hu, Koren and Volinsky, 2008), single-threaded and so reproducible."""
    with threadpool_limits(1, "blas"):  # implicit brings threads of its own, and those of BLAS fight them
        model = AlternatingLeastSquares(
            factors=FACTORS,
            alpha=setting.alpha,
            regularization=setting.regularization,
            num_threads=1,
            random_state=seed,
        )
        model.fit(log.matrix(), show_progress=False)
    users, items = model.user_factors, model.item_factors
    return lambda rows: users[rows] @ items.T


def first_then(first: Scores, then: Scores) -> Scores:
    """All that the first (none below zero) has a score for, and after it the order of the second."""

    def both(rows: Rows) -> npt.NDArray[np.float32]:
        own, other = first(rows), then(rows)
        return np.where(own > 0, other.max(axis=1, keepdims=True) + 1 + own, other)

    return both


def _of_matrix(matrix: sparse.csr_matrix) -> Scores:
    return lambda rows: matrix[rows].toarray().astype(np.float32)
