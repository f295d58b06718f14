"""DLRM as Merlin builds it, over retrieved candidates, with the retrieval order as its starting point."""

from typing import Any

import merlin.models.tf as mm
import tensorflow as tf
from merlin.models.tf.blocks.dlrm import DLRMBlock
from merlin.schema import ColumnSchema, Schema, Tags

from rec_assets.datasets.rows import Arrays, as_columns
from rec_assets.features.columns import (
    CONTENT_FEATURES,
    CONTEXT_FEATURES,
    RANKED_ITEM_FEATURES,
    RETRIEVAL_SCORE,
    SIGNALS,
    USER_FEATURES,
)
from rec_assets.training.loop.gradients import gradients
from rec_assets.training.retrieval.towers import content_columns

EMBEDDING_DIM = 32
BOTTOM_LAYERS = [128, EMBEDDING_DIM]
TOP_LAYERS = [128, 64, 32]
L2_EMBEDDINGS = 1e-4
CHOSEN = "chosen"
_constant = tf.keras.initializers.Constant


class Ranker(tf.keras.Model):
    """logit = a · retrieval score + b + DLRM(user, item, context, content, signals).

    The last layer of the DLRM starts at zero, so an untrained ranker returns the retrieval order and training can only
    be kept if it improves on it; a DLRM that has to learn the order anew spoils it while its data are few.
    Inputs are columns [n, 1] and content vectors [n, 64]; the output is a logit [n, 1].
    """

    def __init__(self, schema: Schema, score_mean: float, score_scale: float, **kwargs: Any) -> None:
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
        self.retrieval = tf.keras.layers.Dense(1, kernel_initializer="ones", name="retrieval")
        self.score_mean = self.add_weight("score_mean", (), initializer=_constant(score_mean), trainable=False)
        self.score_scale = self.add_weight("score_scale", (), initializer=_constant(score_scale), trainable=False)
        # Platt's scaling, fitted once the order is learned: it changes no order.
        self.slope = self.add_weight("slope", (), initializer="ones", trainable=False)
        self.intercept = self.add_weight("intercept", (), initializer="zeros", trainable=False)

    def train_on(self, items: Arrays) -> None:
        """Takes the features by encoded item id that training looks up, [v] or [v, d] each."""
        read = (*RANKED_ITEM_FEATURES, *CONTENT_FEATURES)
        self.items = {name: tf.constant(table) for name, table in as_columns(items).items() if name in read}

    def call(self, columns: dict[str, Any], training: bool = False) -> Any:
        """Logits of being chosen, float32 [n, 1]."""
        score = (columns[RETRIEVAL_SCORE] - self.score_mean) / self.score_scale
        hidden = self.block({**columns, RETRIEVAL_SCORE: score}, training=training)
        return self.slope * (self.retrieval(score) + self.correction(hidden)) + self.intercept

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Takes one step over lists: columns of the requests are [lists], those of the places [lists, length].

        `chosen` bool [lists, positives] marks which of the first places hold a positive; all others are negatives. The
        loss of a positive is that of a softmax over it and the negatives, and every list weighs the same.
        """
        chosen = tf.cast(batch[CHOSEN], tf.float32)
        length, positives = batch[RETRIEVAL_SCORE].shape[1], chosen.shape[1]
        ids = tf.reshape(batch["item_id"], [-1])
        flat = {name: tf.repeat(batch[name], length)[:, None] for name in (*USER_FEATURES, *CONTEXT_FEATURES)}
        flat |= {name: tf.gather(table, ids) for name, table in self.items.items()}
        flat |= {name: tf.reshape(batch[name], [-1, 1]) for name in SIGNALS}
        with tf.GradientTape() as tape:
            logits = tf.reshape(self(flat, training=True), [-1, length])
            against = tf.reduce_logsumexp(logits[:, positives:], axis=1, keepdims=True)
            losses = tf.nn.softplus(against - logits[:, :positives]) * chosen
            loss = tf.reduce_mean(tf.reduce_sum(losses, axis=1) / tf.reduce_sum(chosen, axis=1))
            total = loss + tf.add_n(self.losses) if self.losses else loss
        found = gradients(tape, total, self.trainable_variables)
        self.optimizer.apply_gradients(zip(found, self.trainable_variables, strict=True))
        return {"loss": loss}
