"""Computes the neighbors of items from an interaction log.

Weights between popular items are those of a linear model, which finds better neighbors than cosines
(docs/experiments.md). Its matrix has the square of their number, so rare items have cosines.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.evaluation_set import EvaluationSet
from rec_assets.datasets.neighbors.item_weights import linear_neighbors, nearest_items, strongest
from rec_assets.datasets.rows import Arrays
from rec_assets.datasets.training_set import LAST, TRAIN, TrainingSet, load_part
from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP
from rec_assets.features.history import LENGTH, InteractionLog
from rec_assets.features.signals.neighbors import Neighbors

NEIGHBORS = 50
LINEAR_ITEMS = 4_000
RIDGE = 300.0  # users; values from 100 to 1,000 are about as good on shops of different sizes
SHRINKAGE = 20  # users
_COLUMNS = (REQUEST_USER_ID, TIMESTAMP, "item_id")


def item_neighbors(log: InteractionLog, size: int) -> Neighbors:
    """Returns the `NEIGHBORS` nearest items of each item; an item is no neighbor of itself.

    Weights between the `LINEAR_ITEMS` most chosen items are those of a linear model. All other pairs have their cosine,
    in the unit of the linear model: both kinds of weights have the same sum over the pairs that have both.

    Args:
        log: the interactions to count.
        size: number of encoded items.
    """
    chosen = chosen_items(log, size)
    linear = pairs_of(linear_neighbors(chosen, LINEAR_ITEMS, RIDGE, NEIGHBORS))
    cosines = pairs_of(nearest_items(chosen, SHRINKAGE, NEIGHBORS))
    shared = cosines.multiply(linear > 0).sum()
    unit = linear.multiply(cosines > 0).sum() / shared if shared else 0.0
    in_model = sparse.diags((linear.getnnz(axis=1) + linear.getnnz(axis=0) > 0).astype(np.float64))
    pairs = (linear + unit * (cosines - in_model @ cosines @ in_model)).tocoo()
    kept = pairs.data > 0
    return strongest(pairs.row[kept], pairs.col[kept], pairs.data[kept], size, NEIGHBORS)


def item_cosines(log: InteractionLog, size: int) -> Neighbors:
    """Returns the `NEIGHBORS` items with the largest shrunk cosine of the users of each item; arguments as before."""
    return nearest_items(chosen_items(log, size), SHRINKAGE, NEIGHBORS)


def chosen_items(log: InteractionLog, size: int) -> sparse.csr_matrix:
    """Returns 1 for each user and item with an interaction, [users, items].

    Only the newest interactions of a user count, as many as serving reads.
    """
    users = log.user_ids
    position = np.arange(len(users)) - np.searchsorted(users, users, side="right")
    newest = position >= -LENGTH
    rows = np.unique(users[newest], return_inverse=True)[1]
    shape = (int(rows.max(initial=-1)) + 1, size)
    return sparse.csr_matrix((np.ones(len(rows)), (rows, log.item_ids[newest])), shape).sign()


def pairs_of(neighbors: Neighbors) -> sparse.csr_matrix:
    """Returns the weights as a matrix [items, items]."""
    size, count = neighbors.item_ids.shape
    rows = np.arange(size).repeat(count)
    pairs = sparse.csr_matrix((neighbors.weights.ravel(), (rows, neighbors.item_ids.ravel())), (size, size))
    pairs.eliminate_zeros()
    return pairs


def training_log(data: TrainingSet) -> InteractionLog:
    """Returns the training rows with a user."""
    return _log_of(data.rows, data.rows[REQUEST_USER_ID] >= 0)


def full_log(folder: Path) -> InteractionLog:
    """Reads all rows of a training set with a user, with the validation days; without rows of holdout users."""
    train, last = (load_part(folder, part, _COLUMNS) for part in (TRAIN, LAST))
    rows = {name: np.concatenate([train.pop(name), last.pop(name)]) for name in _COLUMNS}
    return _log_of(rows, rows[REQUEST_USER_ID] >= 0)


def log_without_holdout(data: EvaluationSet) -> InteractionLog:
    """Returns the interactions of a fine-tune set that teach, without the last day's rows of its holdout users."""
    log = data.log.targets
    last_day = log.timestamps // DAY_SECONDS == log.timestamps.max(initial=0) // DAY_SECONDS
    return log.at(~(last_day & np.isin(log.user_ids, data.validation.user_ids)))


def _log_of(rows: Arrays, kept: npt.NDArray[np.bool_]) -> InteractionLog:
    return InteractionLog.of(*(rows[name][kept] for name in _COLUMNS))
