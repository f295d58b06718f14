"""Ways to make one vector of a user's history. The tower names one."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

# Interactions of the past half hour, hour, two hours, … are weighed alike: 16 ages, the last from 2^14 hours on.
AGES = 16
NOW_HOURS = 0.5


class AgePooling(tf.keras.layers.Layer):
    """A weighted sum of item vectors over the root of the sum of squared weights; a learned weight for each age.

    The root instead of the sum keeps the length of the vector growing with what is known of the user.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_weight = self.add_weight("log_weight", (AGES,), initializer="zeros")

    def call(self, vectors: Any, there: Any, hours: Any) -> Any:
        """Vectors [n, l, d], which of them are there bool [n, l], and their ages in hours [n, l] → [n, d]."""
        return _pooled(vectors, tf.where(there, tf.exp(self.log_weights(hours)), 0.0))

    def log_weights(self, hours: Any) -> Any:
        """The logarithm of each weight [n, l]."""
        age = tf.cast(tf.math.log(hours + 1.0) / tf.math.log(2.0), tf.int32) + 1
        return tf.gather(self.log_weight, tf.where(hours < NOW_HOURS, 0, tf.minimum(age, AGES - 1)))


class MeanPooling(AgePooling):
    """The same weight for every age."""

    def log_weights(self, hours: Any) -> Any:
        """Zeros."""
        return tf.zeros_like(hours)


POOLINGS: dict[str, Callable[[int], Any]] = {
    "mean": MeanPooling,
    "age": AgePooling,
}


def _pooled(vectors: Any, weights: Any) -> Any:
    total = tf.reduce_sum(vectors * weights[..., None], axis=1)
    return total / tf.sqrt(tf.maximum(tf.reduce_sum(weights * weights, axis=1, keepdims=True), 1e-9))
