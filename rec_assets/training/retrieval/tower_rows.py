"""The rows that the two towers learn from: one epoch of them at a time."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.datasets.ranker_users import trains_ranker
from rec_assets.datasets.request_features import sample_request_times
from rec_assets.datasets.rows import Arrays, take
from rec_assets.features.columns import REQUEST_USER_ID
from rec_assets.features.history import InteractionLog
from rec_assets.features.signals import DAY_SECONDS
from rec_assets.training.loop.batches import LogTensors, retrieval_batches


class TowerRows:
    """Training rows by number, with the log that holds their histories."""

    def __init__(self, rows: Arrays, numbers: npt.NDArray[np.int64], log: InteractionLog) -> None:
        """Takes all rows [n] and the numbers of those to learn from [m], ascending; nothing is copied."""
        self.rows, self.numbers, self.log = rows, numbers, LogTensors(log)

    @classmethod
    def of(cls, rows: Arrays, log: InteractionLog) -> "TowerRows":
        """Picks the rows of anonymous users, and of users that the ranker does not learn from."""
        return cls(rows, np.flatnonzero(~trains_ranker(rows[REQUEST_USER_ID])), log)

    def __len__(self) -> int:
        return len(self.numbers)

    def epoch(self, most_rows: int, horizon_days: int, batch_size: int, seed: int) -> tf.data.Dataset:
        """Draws the rows of one epoch, half of them as if asked for earlier.

        Args:
            most_rows: number of rows to draw, at most.
            horizon_days: how far ahead of its interaction a row is asked for, at most.
            batch_size: rows a batch.
            seed: random seed of the draws and of the order of rows.
        """
        numbers = self.numbers
        if len(numbers) > most_rows:
            drawn = np.random.default_rng(seed).choice(len(numbers), most_rows, replace=False)
            numbers = numbers[np.sort(drawn)]
        rows = take(self.rows, numbers)
        asked_at = sample_request_times(rows, horizon_days * DAY_SECONDS, seed)
        return retrieval_batches(rows, asked_at, self.log, batch_size, seed)
