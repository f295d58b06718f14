"""Batches of candidate lists. A batch copies the signals of its own lists only, so an epoch needs little memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.common.concurrency.threads import THREADS
from rec_assets.datasets.rows import Arrays
from rec_assets.features.columns import CONTEXT_FEATURES, SIGNALS, USER_FEATURES
from rec_assets.training.loop.batches import index_batches
from rec_assets.training.loop.candidate_signals import CandidateSignals

ITEM_IDS, LIST_SIGNALS, CHOSEN = "item_ids", "signals", "chosen"


@dataclass(frozen=True)
class DrawnLists:
    """Lists of an epoch, as positions in all candidates of their requests.

    Attributes:
        signals: signals of all candidates of the requests [n].
        rows: the request of each list, int64 [m].
        positions: the candidates of each list, int64 [m, length], positives first.
        positive: bool [m, positives], False beyond the positives of a list.
        requests: user and context columns of each list [m].
    """

    signals: CandidateSignals
    rows: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    positive: npt.NDArray[np.bool_]
    requests: Arrays


def ranking_batches(sets: Sequence[DrawnLists], batch_size: int, seed: int) -> tf.data.Dataset:
    """Returns one epoch of the lists of all sets in random order, and drops a last partial batch.

    A batch has the columns of requests [batch], `ITEM_IDS` [batch, length], `LIST_SIGNALS` [batch, length, s] and
    `CHOSEN` [batch, positives].

    Args:
        sets: sets of lists with equal lengths and numbers of positives.
        batch_size: lists per batch.
        seed: random seed for the order of lists.
    """
    ends = np.cumsum([len(drawn.rows) for drawn in sets])
    length, count = sets[0].positions.shape[1], len(SIGNALS)

    def read(index: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]:
        item_ids = np.empty((len(index), length), np.int32)
        signals = np.empty((len(index), length, count), np.float32)
        for drawn, end in zip(sets, ends, strict=True):
            first = end - len(drawn.rows)
            own = (index >= first) & (index < end)
            lists = index[own] - first
            item_ids[own], signals[own] = drawn.signals.at(drawn.rows[lists], drawn.positions[lists])
        return item_ids, signals

    with tf.device("CPU"):  # otherwise the columns would lie on the GPU, and the threads here would copy them back
        columns = {
            name: tf.constant(np.concatenate([drawn.requests[name] for drawn in sets]))
            for name in (*USER_FEATURES, *CONTEXT_FEATURES)
        }
        columns[CHOSEN] = tf.constant(np.concatenate([drawn.positive for drawn in sets]))

        def gather(index: Any) -> dict[str, Any]:
            item_ids, signals = tf.numpy_function(read, [index], (tf.int32, tf.float32), stateful=False)
            return {name: tf.gather(column, index) for name, column in columns.items()} | {
                ITEM_IDS: tf.ensure_shape(item_ids, (index.shape[0], length)),
                LIST_SIGNALS: tf.ensure_shape(signals, (index.shape[0], length, count)),
            }

        batches = index_batches(ends[-1], batch_size, seed)
        return batches.map(gather, num_parallel_calls=THREADS, deterministic=True).prefetch(THREADS)
