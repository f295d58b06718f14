"""Requests as the query tower reads them: encoded columns and the history of who asks."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.datasets.rows import Arrays, take
from rec_assets.features.columns import HISTORY_HOURS, HISTORY_IDS, REQUEST_USER_ID, TIMESTAMP
from rec_assets.features.history import InteractionLog, UserHistories


def histories_of(columns: Arrays, log: InteractionLog) -> UserHistories:
    """The histories of rows [n] that say who asks and when."""
    return log.gather(log.slices(columns[REQUEST_USER_ID], columns[TIMESTAMP]))


def with_histories(columns: Arrays, log: InteractionLog) -> Arrays:
    """Adds `history_item_id` int32 and `history_hours` float32 [n, LENGTH]."""
    past = histories_of(columns, log)
    return {**columns, HISTORY_IDS: past.item_ids, HISTORY_HOURS: past.hours(columns[TIMESTAMP])}


def batches(columns: Arrays, log: InteractionLog, size: int) -> Iterator[Arrays]:
    """Cuts rows into batches with their histories, so that only a batch of them is in memory."""
    for start in range(0, len(columns[REQUEST_USER_ID]), size):
        yield with_histories(take(columns, slice(start, start + size)), log)


def sample_request_times(columns: Arrays, horizon: int, seed: int) -> npt.NDArray[np.int64]:
    """Draws the moment each training row [n] is asked at: half at their own moment, the others up to a horizon before.

    A list is evaluated on all items of the days that follow. Most lists are asked for on arrival, when nothing of the
    session is known yet. Trained on the very next interaction alone, a model would overfit to sessions.
    """
    random = np.random.default_rng(seed)
    ahead: npt.NDArray[Any] = random.integers(0, max(1, horizon), len(columns[TIMESTAMP]))
    return columns[TIMESTAMP] - np.where(random.random(len(ahead)) < 0.5, ahead, 0)
