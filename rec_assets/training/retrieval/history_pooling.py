"""Pooling layers that reduce a user's history to one vector. `TwoTowerConfig.pooling` selects one."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rec_assets.training.retrieval.weighted_sum import weighted_sum

# Age groups of interactions, one weight each. They end at half an hour, 1, 3, 7, … hours; the last has no end.
AGES = 16
NOW_HOURS = 0.5


class AgePooling(tf.keras.layers.Layer):
    """A weighted sum of item vectors, divided by the root of the sum of squared weights; one trained weight per age.

    With the root in place of the sum, longer histories give longer vectors.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.log_weight = self.add_weight("log_weight", (AGES,), initializer="zeros")

    def call(self, table: Any, rows: Any, is_item: Any, hours: Any) -> Any:
        """Pools rows of a table.

        Args:
            table: item vectors, float32 [v, d].
            rows: table rows of the items in the histories, int32 [n, l].
            is_item: bool [n, l], False at padding.
            hours: ages of the interactions in hours, float32 [n, l].

        Returns:
            float32 [n, d].
        """
        weights = tf.where(is_item, tf.exp(self.log_weights(hours)), 0.0)
        return _scaled(weighted_sum(table, rows, weights), weights)

    def log_weights(self, hours: Any) -> Any:
        """Returns the logarithm of each weight [n, l]."""
        return tf.gather(self.log_weight, self.ages(hours))

    def ages(self, hours: Any) -> Any:
        """Returns the age group of each interaction, int32 [n, l] in 0 … AGES - 1."""
        age = tf.cast(tf.math.log(hours + 1.0) / tf.math.log(2.0), tf.int32) + 1
        return tf.where(hours < NOW_HOURS, 0, tf.minimum(age, AGES - 1))


class MeanPooling(AgePooling):
    """Pooling with the same weight for every age."""

    def log_weights(self, hours: Any) -> Any:
        """Returns zeros [n, l]."""
        return tf.zeros_like(hours)


class AttentionPooling(AgePooling):
    """Pooling with weights by age and item: a small network adds a score of the item vector."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.score = tf.keras.Sequential([tf.keras.layers.Dense(dim, "tanh"), tf.keras.layers.Dense(1, use_bias=False)])

    def call(self, table: Any, rows: Any, is_item: Any, hours: Any) -> Any:
        """Pools rows of a table, with the arguments of `AgePooling`."""
        vectors = tf.gather(table, rows)
        weights = tf.exp(self.log_weights(hours) + self.score(vectors)[..., 0])
        return _pooled(vectors, tf.where(is_item, weights, 0.0))


class TransformerPooling(AgePooling):
    """Pooling after one block of self-attention over the interactions, with a trained vector per age."""

    HEADS, HIDDEN = 4, 128

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.of_age = tf.keras.layers.Embedding(AGES, dim)
        self.attention = tf.keras.layers.MultiHeadAttention(self.HEADS, dim // self.HEADS)
        self.mlp = tf.keras.Sequential([tf.keras.layers.Dense(self.HIDDEN, "relu"), tf.keras.layers.Dense(dim)])
        self.norms = [tf.keras.layers.LayerNormalization() for _ in range(2)]

    def call(self, table: Any, rows: Any, is_item: Any, hours: Any) -> Any:
        """Pools rows of a table, with the arguments of `AgePooling`."""
        vectors = tf.gather(table, rows)
        tokens = self.norms[0](vectors + self.of_age(self.ages(hours)))
        attended = self.attention(tokens, tokens, attention_mask=is_item[:, None, :])
        attended += self.mlp(self.norms[1](attended))
        return _pooled(vectors + attended, tf.where(is_item, tf.exp(self.log_weights(hours)), 0.0))


POOLINGS: dict[str, Callable[[int], Any]] = {
    "mean": MeanPooling,
    "age": AgePooling,
    "attention": AttentionPooling,
    "transformer": TransformerPooling,
}


def _pooled(vectors: Any, weights: Any) -> Any:
    return _scaled(tf.reduce_sum(vectors * weights[..., None], axis=1), weights)


def _scaled(total: Any, weights: Any) -> Any:
    return total / tf.sqrt(tf.maximum(tf.reduce_sum(weights * weights, axis=1, keepdims=True), 1e-9))
