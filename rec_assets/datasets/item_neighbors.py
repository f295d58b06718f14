"""Computes the neighbors of items from an interaction log: the cosine of the users of two items."""

from typing import Any

import numpy as np
import numpy.typing as npt
from implicit.nearest_neighbours import ItemItemRecommender
from scipy import sparse

from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.ranker_users import trains_ranker
from rec_assets.datasets.rows import Arrays
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP
from rec_assets.features.history import LENGTH, InteractionLog
from rec_assets.features.signals.neighbors import Neighbors

NEIGHBORS = 50
_COLUMNS = (REQUEST_USER_ID, TIMESTAMP, "item_id")
SHRINKAGE = 20


def item_neighbors(log: InteractionLog, size: int) -> Neighbors:
    """Returns the `NEIGHBORS` nearest items of each item; an item is no neighbor of itself.

    Only the newest interactions of a user count, as many as serving reads.

    Args:
        log: the interactions to count.
        size: number of encoded items.
    """
    users = log.user_ids
    position = np.arange(len(users)) - np.searchsorted(users, users, side="right")
    newest = position >= -LENGTH
    rows = np.unique(users[newest], return_inverse=True)[1]
    shape = (int(rows.max(initial=-1)) + 1, size)
    chosen = sparse.csr_matrix((np.ones(len(rows)), (rows, log.item_ids[newest])), shape).sign()
    return nearest_items(chosen, SHRINKAGE, NEIGHBORS)


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


def towers_log(data: TrainingSet) -> InteractionLog:
    """Returns the training rows of users that do not belong to the ranker.

    A neighbor score that counts a user's own later choices would be too high for this user.
    """
    users = data.rows[REQUEST_USER_ID]
    return _log_of(data.rows, (users >= 0) & ~trains_ranker(users))


def full_log(data: TrainingSet) -> InteractionLog:
    """Returns all rows of a training set with a user, with the validation days; without rows of holdout users."""
    rows = {name: np.concatenate([data.rows[name], data.last_rows[name]]) for name in _COLUMNS}
    return _log_of(rows, rows[REQUEST_USER_ID] >= 0)


def log_without_holdout(data: TrainingSet) -> InteractionLog:
    """Returns the interactions of a fine-tune set that teach, without the last day's rows of its holdout users."""
    log = data.log.targets
    last_day = log.timestamps // DAY_SECONDS == log.timestamps.max(initial=0) // DAY_SECONDS
    return log.at(~(last_day & np.isin(log.user_ids, data.validation.user_ids)))


def _log_of(rows: Arrays, kept: npt.NDArray[np.bool_]) -> InteractionLog:
    return InteractionLog.of(*(rows[name][kept] for name in _COLUMNS))
