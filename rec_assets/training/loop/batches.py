"""Batches of an epoch: rows in a seeded permutation, with histories and features looked up batch by batch."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.common.concurrency.threads import THREADS
from rec_assets.datasets.rows import Arrays
from rec_assets.features.columns import (
    CONTEXT_FEATURES,
    HISTORY_HOURS,
    HISTORY_IDS,
    HISTORY_READ,
    REQUEST_USER_ID,
    USER_FEATURES,
)
from rec_assets.features.history import PADDING_ID, InteractionLog


class LogTensors:
    """An interaction log as TensorFlow tensors, copied once per training, not once per epoch."""

    def __init__(self, log: InteractionLog) -> None:
        """Copies the log; its timestamps fit into 32 bits (`history.MAX_ID`)."""
        self.log = log
        self.item_ids = tf.constant(log.item_ids)
        self.timestamps = tf.constant(log.timestamps.astype(np.int32))


def retrieval_batches(
    rows: Arrays, request_times: npt.NDArray[np.int64], log: LogTensors, batch_size: int, seed: int
) -> tf.data.Dataset:
    """Returns one epoch of (query columns [batch, 1] with histories [batch, l], target items [batch]).

    Drops a last partial batch.

    Args:
        rows: the training rows [n].
        request_times: unix seconds of the request of each row [n]; its history ends before.
        log: interaction log that holds the histories.
        batch_size: rows per batch.
        seed: random seed for the permutation of rows.
    """
    features = {name: tf.constant(rows[name]) for name in (*USER_FEATURES, *CONTEXT_FEATURES)}
    slices = tf.constant(log.log.slices(rows[REQUEST_USER_ID], request_times))
    targets, seconds = tf.constant(rows["item_id"]), tf.constant(request_times.astype(np.int32))

    def gather(index: Any) -> tuple[dict[str, Any], Any]:
        begin, end = tf.split(tf.gather(slices, index), 2, axis=1)
        positions = end - 1 - tf.range(HISTORY_READ, dtype=tf.int64)
        mask = positions >= begin
        positions = tf.where(mask, positions, 0)
        ages = tf.cast(tf.gather(seconds, index)[:, None] - tf.gather(log.timestamps, positions), tf.float32)
        columns = {name: tf.gather(array, index)[:, None] for name, array in features.items()}
        columns[HISTORY_IDS] = tf.where(mask, tf.gather(log.item_ids, positions), PADDING_ID)
        columns[HISTORY_HOURS] = tf.where(mask, ages / 3600, 0.0)
        return columns, tf.gather(targets, index)

    batches = index_batches(len(request_times), batch_size, seed)
    return batches.map(gather, num_parallel_calls=THREADS, deterministic=True).prefetch(THREADS)


def index_batches(rows: int, batch_size: int, seed: int) -> tf.data.Dataset:
    """Returns the numbers of all rows in random order, int64 [batch] each; drops a last partial batch."""
    order = np.random.default_rng(seed).permutation(rows)
    size = max(1, min(batch_size, rows))
    # Split into batches here: `Dataset.batch` would process row by row.
    batches = tf.data.Dataset.from_tensor_slices(order[: rows // size * size].reshape(-1, size))
    # Autotuning has no effect here, but delays the end of an epoch by up to 5 seconds.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)
