"""TIFU-kNN (Hu et al., 2020): repeat purchases by decayed frequency, mixed with those of similar users."""

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.neighbors import NearestNeighbors

from rec_assets.evaluation.baselines.interaction_matrix import InteractionMatrix, Rows, Scores

# The values of the paper for its data sets of groceries, except the share, which is tuned.
GROUPS, BASKET_DECAY, GROUP_DECAY = 7, 0.9, 0.7
NEIGHBORS = 300


def tifu_knn(matrix: InteractionMatrix, own_share: float) -> Scores:
    """Mixes the user's own vector and the mean vector of the `NEIGHBORS` nearest users.

    Args:
        matrix: the interactions; those of one user at one time are a basket.
        own_share: weight of the user's own vector, 0 to 1.
    """
    vectors = user_vectors(matrix)
    known = vectors[:-1]
    count = min(NEIGHBORS, known.shape[0])
    nearest = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(known)

    def scores(rows: Rows) -> npt.NDArray[np.float32]:
        own = vectors[rows]
        found = nearest.kneighbors(own, return_distance=False)
        average = sparse.csr_matrix(
            (np.full(found.size, 1 / count), found.ravel(), np.arange(0, found.size + 1, count)),
            (len(rows), known.shape[0]),
        )
        return (own_share * own + (1 - own_share) * (average @ known)).toarray().astype(np.float32)

    return scores


def user_vectors(matrix: InteractionMatrix) -> sparse.csr_matrix:
    """Returns the decayed frequencies of items in the baskets of each user, float64 [u + 1, m].

    The baskets of a user are split into at most `GROUPS` groups of equal size, counted from the newest; only the oldest
    group may be smaller. A group is the mean of its baskets, and a user is the mean of the groups, with decays.
    """
    rows = np.unique(np.stack([matrix.user_rows, -matrix.ages, matrix.item_columns], axis=1), axis=0)
    users, columns = rows[:, 0].astype(np.int64), rows[:, 2].astype(np.int64)
    baskets, basket = np.unique(rows[:, :2], axis=0, return_inverse=True)
    owner = baskets[:, 0].astype(np.int64)
    ends = np.searchsorted(owner, owner, side="right")
    counts = ends - np.searchsorted(owner, owner)
    from_newest = ends - 1 - np.arange(len(owner))
    size = -(-counts // GROUPS)
    groups = -(-counts // size)
    group = from_newest // size
    size_of_group = np.where(group == groups - 1, counts - size * (groups - 1), size)
    weights = BASKET_DECAY ** (from_newest % size) / size_of_group * GROUP_DECAY**group / groups
    shape = (len(matrix.user_ids) + 1, len(matrix.item_ids))
    return sparse.csr_matrix((weights[basket.ravel()], (users, columns)), shape)
