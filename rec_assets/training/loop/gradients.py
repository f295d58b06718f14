"""Gradients of lookups, summed by row of the table: fast and deterministic."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

# Elements of a one-hot matrix (1 GB); a larger matrix is slower than TensorFlow's own sum.
ONE_HOT_UP_TO = 2**28


def gradients(tape: tf.GradientTape, loss: Any, variables: Sequence[Any]) -> list[Any]:
    """Returns the gradient of a loss for each variable; on a GPU, all gradients are dense."""
    return [_dense(gradient) for gradient in tape.gradient(loss, variables)]


def sum_rows(values: Any, rows: Any, size: Any) -> Any:
    """Sums vectors by row of a table.

    On a GPU, multiplies by a one-hot matrix, because TensorFlow's own sums are either not deterministic or slow there.

    Args:
        values: float32 [n, …].
        rows: int32 [n] in 0 … size - 1.
        size: number of rows of the table.

    Returns:
        float32 [size, …].
    """
    if not on_gpu() or values.shape.rank > 2 or not _is_small(rows, size):
        return tf.math.unsorted_segment_sum(values, rows, size)
    flat = values if values.shape.rank == 2 else values[:, None]
    total = tf.matmul(tf.one_hot(rows, size), flat, transpose_a=True)
    return total if values.shape.rank == 2 else total[:, 0]


def on_gpu() -> bool:
    """Returns whether this process trains on a GPU."""
    return bool(tf.config.list_logical_devices("GPU"))


def _is_small(rows: Any, size: Any) -> bool:
    count, known = rows.shape[0], tf.get_static_value(size)
    return known is None or count is None or count * int(known) <= ONE_HOT_UP_TO


def _dense(gradient: Any) -> Any:
    if not (isinstance(gradient, tf.IndexedSlices) and on_gpu()):
        return gradient
    return sum_rows(gradient.values, tf.cast(gradient.indices, tf.int32), gradient.dense_shape[0])
