"""Feeds training: an epoch is a seeded permutation, and histories and item features are looked up batch by batch."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.datasets.rows import Arrays
from rec_assets.features.columns import (
    CONTEXT_FEATURES,
    HISTORY_HOURS,
    HISTORY_IDS,
    HISTORY_READ,
    REQUEST_USER_ID,
    USER_FEATURES,
)
from rec_assets.features.history import PADDING, InteractionLog

THREADS = min(8, len(os.sched_getaffinity(0)))


class LogTensors:
    """A log as TensorFlow reads it, copied once a training and not once an epoch."""

    def __init__(self, log: InteractionLog) -> None:
        """Takes the log; its seconds fit into 32 bits (`history.LARGEST_ID`)."""
        self.log = log
        self.item_ids = tf.constant(log.item_ids)
        self.timestamps = tf.constant(log.timestamps.astype(np.int32))


def retrieval_batches(
    rows: Arrays, asked_at: npt.NDArray[np.int64], log: LogTensors, batch_size: int, seed: int
) -> tf.data.Dataset:
    """One epoch of (query columns [batch, 1] and histories [batch, l], chosen items [batch]).

    A last partial batch is dropped.

    Args:
        rows: the training rows [n].
        asked_at: unix seconds at which each is to be foreseen [n]; its history ends before.
        log: where histories lie.
        batch_size: rows a batch.
        seed: of the permutation.
    """
    features = {name: tf.constant(rows[name]) for name in (*USER_FEATURES, *CONTEXT_FEATURES)}
    slices = tf.constant(log.log.slices(rows[REQUEST_USER_ID], asked_at))
    chosen, asked = tf.constant(rows["item_id"]), tf.constant(asked_at.astype(np.int32))

    def gather(index: Any) -> tuple[dict[str, Any], Any]:
        begin, end = tf.split(tf.gather(slices, index), 2, axis=1)
        places = end - 1 - tf.range(HISTORY_READ, dtype=tf.int64)
        there = places >= begin
        places = tf.where(there, places, 0)
        seconds = tf.cast(tf.gather(asked, index)[:, None] - tf.gather(log.timestamps, places), tf.float32)
        columns = {name: tf.gather(array, index)[:, None] for name, array in features.items()}
        columns[HISTORY_IDS] = tf.where(there, tf.gather(log.item_ids, places), PADDING)
        columns[HISTORY_HOURS] = tf.where(there, seconds / 3600, 0.0)
        return columns, tf.gather(chosen, index)

    batches = _epoch(len(asked_at), batch_size, seed)
    return batches.map(gather, num_parallel_calls=THREADS, deterministic=True).prefetch(THREADS)


def ranking_batches(requests: Arrays, lists: Arrays, batch_size: int, seed: int) -> tf.data.Dataset:
    """One epoch of candidate lists: columns of the requests [batch], and of the places [batch, length].

    Args:
        requests: user and context columns of the requests, [n].
        lists: `item_id` int32 [n, length] (encoded), and whatever else is known of each place [n, length].
        batch_size: lists a batch.
        seed: of the permutation.
    """
    own = {name: tf.constant(requests[name]) for name in (*USER_FEATURES, *CONTEXT_FEATURES)}
    places = {name: tf.constant(array) for name, array in lists.items()}

    def gather(index: Any) -> dict[str, Any]:
        return {name: tf.gather(array, index) for name, array in {**own, **places}.items()}

    batches = _epoch(len(lists["item_id"]), batch_size, seed)
    return batches.map(gather, num_parallel_calls=THREADS, deterministic=True).prefetch(THREADS)


def _epoch(rows: int, batch_size: int, seed: int) -> tf.data.Dataset:
    order = np.random.default_rng(seed).permutation(rows)
    size = max(1, min(batch_size, rows))
    # Cut here: `Dataset.batch` would hand on row by row.
    batches = tf.data.Dataset.from_tensor_slices(order[: rows // size * size].reshape(-1, size))
    # There is nothing to tune, and the end of an epoch waits for the tuner, up to 5 seconds.
    options = tf.data.Options()
    options.autotune.enabled = False
    return batches.with_options(options)
