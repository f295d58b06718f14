"""Ways to make one vector of a user's history. The tower names one."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from rec_assets.training.retrieval.weighted_sum import weighted_sum

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

    def call(self, table: Any, rows: Any, there: Any, hours: Any) -> Any:
        """Pools rows of a table.

        Args:
            table: item vectors, float32 [v, d].
            rows: which of them the histories hold, int32 [n, l].
            there: bool [n, l], False at padding.
            hours: ages in hours, float32 [n, l].

        Returns:
            float32 [n, d].
        """
        weights = tf.where(there, tf.exp(self.log_weights(hours)), 0.0)
        return _scaled(weighted_sum(table, rows, weights), weights)

    def log_weights(self, hours: Any) -> Any:
        """The logarithm of each weight [n, l]."""
        return tf.gather(self.log_weight, self.ages(hours))

    def ages(self, hours: Any) -> Any:
        """Returns the age group of each interaction, int32 [n, l] in 0 … AGES - 1."""
        age = tf.cast(tf.math.log(hours + 1.0) / tf.math.log(2.0), tf.int32) + 1
        return tf.where(hours < NOW_HOURS, 0, tf.minimum(age, AGES - 1))


class MeanPooling(AgePooling):
    """The same weight for every age."""

    def log_weights(self, hours: Any) -> Any:
        """Zeros."""
        return tf.zeros_like(hours)


class AttentionPooling(AgePooling):
    """Weights that depend on the item too: a small network reads its vector beside the weight of its age."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.score = tf.keras.Sequential([tf.keras.layers.Dense(dim, "tanh"), tf.keras.layers.Dense(1, use_bias=False)])

    def call(self, table: Any, rows: Any, there: Any, hours: Any) -> Any:
        """As `AgePooling`."""
        vectors = tf.gather(table, rows)
        weights = tf.exp(self.log_weights(hours) + self.score(vectors)[..., 0])
        return _pooled(vectors, tf.where(there, weights, 0.0))


class TransformerPooling(AgePooling):
    """Interactions see each other first: one block of self-attention with a learned vector for each age."""

    HEADS, HIDDEN = 4, 128

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.of_age = tf.keras.layers.Embedding(AGES, dim)
        self.attention = tf.keras.layers.MultiHeadAttention(self.HEADS, dim // self.HEADS)
        self.mlp = tf.keras.Sequential([tf.keras.layers.Dense(self.HIDDEN, "relu"), tf.keras.layers.Dense(dim)])
        self.norms = [tf.keras.layers.LayerNormalization() for _ in range(2)]

    def call(self, table: Any, rows: Any, there: Any, hours: Any) -> Any:
        """As `AgePooling`."""
        vectors = tf.gather(table, rows)
        tokens = self.norms[0](vectors + self.of_age(self.ages(hours)))
        seen = self.attention(tokens, tokens, attention_mask=there[:, None, :])
        seen += self.mlp(self.norms[1](seen))
        return _pooled(vectors + seen, tf.where(there, tf.exp(self.log_weights(hours)), 0.0))


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
