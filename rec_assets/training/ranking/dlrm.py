"""The ranker: Merlin's DLRM over retrieved candidates, initialized to the retrieval order."""

from typing import Any

import merlin.models.tf as mm
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from merlin.models.tf.blocks.dlrm import DLRMBlock
from merlin.schema import ColumnSchema, Schema, Tags

from rec_assets.datasets.rows import Arrays, as_columns
from rec_assets.features.columns import (
    CONTENT_FEATURES,
    CONTEXT_FEATURES,
    RANKED_ITEM_FEATURES,
    RETRIEVAL_RANK,
    RETRIEVAL_SCORE,
    SIGNALS,
    USER_FEATURES,
)
from rec_assets.training.loop.gradients import gradients
from rec_assets.training.loop.list_batches import CHOSEN, ITEM_IDS, LIST_SIGNALS
from rec_assets.training.retrieval.towers import content_columns

EMBEDDING_DIM = 32
BOTTOM_LAYERS = [128, EMBEDDING_DIM]
TOP_LAYERS = [128, 64, 32]
L2_EMBEDDINGS = 1e-4
# Share of candidates without item features in a training step: the ranker must not learn items by heart.
ITEM_DROPOUT = 0.8
CROSS_ENTROPY = 0.2  # weight beside the softmax (docs/experiments.md)
_constant = tf.keras.initializers.Constant

Floats = npt.NDArray[np.float32]


class Ranker(tf.keras.Model):
    """logit = a · retrieval rank + b · retrieval score + c + DLRM(user, item, context, content, signals).

    The last layer of the DLRM starts at zero, so an untrained ranker returns the retrieval order. Early stopping keeps
    training only if it improves this order. With few data, a randomly initialized DLRM ranks worse than retrieval.
    Inputs are columns [n, 1] and content vectors [n, 64]; the output is a logit [n, 1].
    """

    def __init__(self, schema: Schema, means: Floats, scales: Floats, **kwargs: Any) -> None:
        """Creates the ranker.

        Args:
            schema: the Merlin schema of the transformed features.
            means: mean of each of `SIGNALS` [s].
            scales: standard deviation of each of them, positive [s].
            kwargs: arguments of the Keras model.
        """
        super().__init__(**kwargs)
        inputs = schema.select_by_name([*USER_FEATURES, *CONTEXT_FEATURES, *RANKED_ITEM_FEATURES])
        signals = [ColumnSchema(name, dtype="float32", tags=[Tags.CONTINUOUS]) for name in SIGNALS]
        categorical = inputs.select_by_tag(Tags.CATEGORICAL)
        embeddings = mm.ParallelBlock(
            {
                "categorical": mm.Embeddings(
                    categorical, dim=EMBEDDING_DIM, l2_batch_regularization_factor=L2_EMBEDDINGS
                ),
                "content": mm.PretrainedEmbeddings(Schema(content_columns()), output_dims=EMBEDDING_DIM),
            },
            is_input=True,
        )
        self.block = DLRMBlock(
            Schema([*inputs, *signals]),
            embeddings=embeddings,
            bottom_block=mm.MLPBlock(BOTTOM_LAYERS),
            top_block=mm.MLPBlock(TOP_LAYERS),
        )
        self.correction = tf.keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros", name="correction")
        # Of rank and score: the untrained ranker keeps the order of the candidates.
        self.retrieval = tf.keras.layers.Dense(1, kernel_initializer=_constant([[-1.0], [0.0]]), name="retrieval")
        count = (len(SIGNALS),)
        self.means = self.add_weight("means", count, initializer=_constant(means), trainable=False)
        self.scales = self.add_weight("scales", count, initializer=_constant(scales), trainable=False)
        # Platt scaling, fitted after training; it does not change the order.
        self.slope = self.add_weight("slope", (), initializer="ones", trainable=False)
        self.intercept = self.add_weight("intercept", (), initializer="zeros", trainable=False)

    def train_on(self, items: Arrays) -> None:
        """Stores the item features by encoded id for training, [v] or [v, d] each."""
        read = (*RANKED_ITEM_FEATURES, *CONTENT_FEATURES)
        self.items = {name: tf.constant(table) for name, table in as_columns(items).items() if name in read}

    def logits_of_lists(self, requests: dict[str, Any], item_ids: Any, signals: Any, training: bool = False) -> Any:
        """Returns logits of the positions of lists, float32 [lists * length, 1]; item features come from `train_on`.

        Args:
            requests: user and context columns [lists].
            item_ids: encoded items of all positions, int32 [lists * length].
            signals: `SIGNALS` of the positions, float32 [lists, length, signals].
        """
        length = tf.shape(signals)[1] if signals.shape[1] is None else signals.shape[1]
        columns = {name: tf.repeat(requests[name], length)[:, None] for name in (*USER_FEATURES, *CONTEXT_FEATURES)}
        columns |= {name: tf.gather(table, item_ids) for name, table in self.items.items()}
        # All signals at once: on a GPU, operations on single columns would take a tenth of a step.
        normalized = (tf.reshape(signals, [-1, len(SIGNALS)]) - self.means) / self.scales
        by_name = dict(zip(SIGNALS, tf.split(normalized, len(SIGNALS), axis=1), strict=True))
        return self(columns, training=training, signals=by_name)

    def call(self, columns: dict[str, Any], training: bool = False, signals: dict[str, Any] | None = None) -> Any:
        """Returns logits of an interaction, float32 [n, 1].

        Args:
            columns: the inputs by name, [n, 1] or [n, d] each.
            training: whether a training step calls.
            signals: the normalized signals by name [n, 1]; without them, those of the columns are normalized.
        """
        signals = signals or {
            name: (columns[name] - self.means[number]) / self.scales[number] for number, name in enumerate(SIGNALS)
        }
        hidden = self.block({**columns, **signals}, training=training)
        retrieval = self.retrieval(tf.concat([signals[RETRIEVAL_RANK], signals[RETRIEVAL_SCORE]], axis=1))
        return self.slope * (retrieval + self.correction(hidden)) + self.intercept

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Trains one step on lists; columns of requests are [lists], columns of list positions [lists, length].

        `CHOSEN` bool [lists, positives] is True for positives among the first positions; later positions are negatives.
        """
        length = batch[ITEM_IDS].shape[1]
        ids = tf.reshape(batch[ITEM_IDS], [-1])
        # Item 0, the padding, has no known feature.
        shown = tf.where(tf.random.uniform(tf.shape(ids)) < ITEM_DROPOUT, 0, ids)
        with tf.GradientTape() as tape:
            logits = tf.reshape(self.logits_of_lists(batch, shown, batch[LIST_SIGNALS], training=True), [-1, length])
            # A fine-tune must not change the scale of probabilities: drawn lists have fewer negatives than requests.
            loss = loss_of_lists((logits - self.intercept) / self.slope, batch[CHOSEN])
            total = loss + tf.add_n(self.losses) if self.losses else loss
        grads = gradients(tape, total, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
        return {"loss": loss}


def loss_of_lists(logits: Any, chosen: Any) -> Any:
    """Returns the mean loss of lists, a scalar; every list has the same weight.

    The loss of a positive is a softmax over the positive and the negatives. The binary cross-entropy of all positions
    is added with a weight: it also compares positions of different lists, whose users choose more or less often.

    Args:
        logits: float32 [lists, length].
        chosen: True for the positives among the first positions, bool [lists, positives]; later ones are negatives.
    """
    is_positive = tf.cast(chosen, tf.float32)
    positives, negatives = tf.split(logits, [chosen.shape[1], -1], axis=1)
    against = tf.reduce_logsumexp(negatives, axis=1, keepdims=True)
    softmax = tf.nn.softplus(against - positives) + CROSS_ENTROPY * tf.nn.softplus(-positives)
    of_positives = tf.reduce_sum(softmax * is_positive, axis=1)
    of_negatives = CROSS_ENTROPY * tf.reduce_sum(tf.nn.softplus(negatives), axis=1)
    return tf.reduce_mean((of_positives + of_negatives) / tf.reduce_sum(is_positive, axis=1))
