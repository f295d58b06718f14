"""The weighted sum of table rows, with a fast and deterministic gradient."""

from typing import Any

import tensorflow as tf

from rec_assets.training.loop.gradients import on_gpu


@tf.custom_gradient
def weighted_sum(table: Any, rows: Any, weights: Any) -> tuple[Any, Any]:
    """Sums rows of a table by weight.

    TensorFlow's own gradient has one vector per lookup, and the optimizer sorts and sums these vectors. This sum took
    more than half of a training step. Here the gradient is one product with the sparse matrix of the weights.

    Args:
        table: the vectors, float32 [v, d].
        rows: row numbers in the table, int32 [n, l] in 0 … v - 1.
        weights: weights of the rows, float32 [n, l]; rows of weight 0 are left out of the gradient.

    Returns:
        float32 [n, d].
    """
    looked_up = tf.gather(table, rows)

    def gradient(upstream: Any) -> tuple[Any, None, Any]:
        return (
            _sum_back(_rows_of(table), rows, weights, upstream),
            None,
            tf.einsum("nld,nd->nl", looked_up, upstream),
        )

    return tf.einsum("nl,nld->nd", weights, looked_up), gradient


def _rows_of(table: Any) -> Any:
    return tf.shape(table)[0] if table.shape[0] is None else table.shape[0]


def _sum_back(size: Any, rows: Any, weights: Any, upstream: Any) -> Any:
    if on_gpu():
        # TensorFlow has no deterministic sparse product on GPUs. The compiled function never creates the one-hot
        # matrix [n, l, v].
        matrix = tf.einsum("nl,nlv->nv", weights, tf.one_hot(rows, size))
        return tf.matmul(matrix, upstream, transpose_a=True)
    used = tf.where(weights != 0)
    columns = tf.cast(tf.gather_nd(rows, used), tf.int64)
    shape = tf.cast(tf.stack([tf.shape(rows)[0], size]), tf.int64)
    matrix = tf.SparseTensor(tf.stack([used[:, 0], columns], axis=1), tf.gather_nd(weights, used), shape)
    return tf.sparse.sparse_dense_matmul(matrix, upstream, adjoint_a=True)
