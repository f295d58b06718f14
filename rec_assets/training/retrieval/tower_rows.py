"""Training rows of the two towers, one epoch at a time."""

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.request_features import sample_request_times
from rec_assets.datasets.rows import Arrays, take
from rec_assets.features.columns import TIMESTAMP
from rec_assets.features.history import InteractionLog
from rec_assets.training.loop.batches import LogTensors, retrieval_batches


class TowerRows:
    """Training rows by row number, with the interaction log of their histories."""

    def __init__(self, rows: Arrays, numbers: npt.NDArray[np.int64], log: InteractionLog) -> None:
        """Stores all rows [n] and the ascending numbers [m] of the rows to train on, without a copy of the rows."""
        self.rows, self.numbers, self.log = rows, numbers, LogTensors(log)

    @classmethod
    def of(cls, rows: Arrays, log: InteractionLog) -> "TowerRows":
        """Selects all rows."""
        return cls(rows, np.arange(len(rows[TIMESTAMP])), log)

    def __len__(self) -> int:
        return len(self.numbers)

    def epoch(self, most_rows: int, horizon_days: int, batch_size: int, seed: int) -> tf.data.Dataset:
        """Draws the rows of one epoch; half of the rows get an earlier request time.

        Args:
            most_rows: maximum number of rows to draw.
            horizon_days: maximum days between request time and interaction.
            batch_size: rows per batch.
            seed: random seed for the draws and the order of rows.
        """
        numbers = self.numbers
        if len(numbers) > most_rows:
            drawn = np.random.default_rng(seed).choice(len(numbers), most_rows, replace=False)
            numbers = numbers[np.sort(drawn)]
        rows = take(self.rows, numbers)
        request_times = sample_request_times(rows, horizon_days * DAY_SECONDS, seed)
        return retrieval_batches(rows, request_times, self.log, batch_size, seed)
