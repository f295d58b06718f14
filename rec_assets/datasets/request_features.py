"""Requests as the query tower reads them: encoded columns and the user's history."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.datasets.rows import Arrays, take
from rec_assets.features.columns import HISTORY_HOURS, HISTORY_IDS, REQUEST_USER_ID, TIMESTAMP
from rec_assets.features.history import InteractionLog, UserHistories


def histories_of(columns: Arrays, log: InteractionLog) -> UserHistories:
    """Returns the histories of requests [n], given by their raw user ids and timestamps."""
    return log.gather(log.slices(columns[REQUEST_USER_ID], columns[TIMESTAMP]))


def with_histories(columns: Arrays, log: InteractionLog) -> Arrays:
    """Adds `history_item_id` int32 and `history_hours` float32 [n, LENGTH]."""
    past = histories_of(columns, log)
    return {**columns, HISTORY_IDS: past.item_ids, HISTORY_HOURS: past.hours(columns[TIMESTAMP])}


def batches(columns: Arrays, log: InteractionLog, size: int) -> Iterator[Arrays]:
    """Splits rows into batches and adds their histories, so only one batch of histories is in memory."""
    for start in range(0, len(columns[REQUEST_USER_ID]), size):
        yield with_histories(take(columns, slice(start, start + size)), log)


def sample_request_times(columns: Arrays, horizon: int, seed: int) -> npt.NDArray[np.int64]:
    """Draws a request time for each training row [n]: its own time, or for half of the rows up to `horizon` s before.

    A list is evaluated on all items of the following days. Most requests come on arrival, before the session has any
    interaction. A model that is trained only on the very next interaction would overfit to sessions.
    """
    random = np.random.default_rng(seed)
    ahead: npt.NDArray[Any] = random.integers(0, max(1, horizon), len(columns[TIMESTAMP]))
    return columns[TIMESTAMP] - np.where(random.random(len(ahead)) < 0.5, ahead, 0)
