"""The two towers as Merlin encoders, and the two-tower model that trains them with popularity-corrected negatives."""

from typing import Any

import merlin.models.tf as mm
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from merlin.schema import ColumnSchema, Schema, Tags

from rec_assets.models.rows import CONTENT_FEATURES, ITEM_FEATURES, USER_FEATURES

TOWER_LAYERS = [128, 64]
CONTINUOUS_PROJECTION = 8


def content_columns(dim: int = 64) -> list[ColumnSchema]:
    """The schema of the pretrained image and text vectors."""
    tags = [Tags.EMBEDDING, Tags.ITEM]
    return [ColumnSchema(name, dtype="float32", dims=(None, dim), tags=tags) for name in CONTENT_FEATURES]


def build_query_tower(schema: Schema) -> mm.Encoder:
    """User features → float32 [n, 64]."""
    return _encoder(schema.select_by_name(list(USER_FEATURES)))


def build_candidate_tower(schema: Schema) -> mm.Encoder:
    """Item features and content vectors → float32 [n, 64]."""
    return _encoder(Schema([*schema.select_by_name(list(ITEM_FEATURES)), *content_columns()]))


def _encoder(schema: Schema) -> mm.Encoder:
    continuous = schema.select_by_tag(Tags.CONTINUOUS)
    inputs = mm.InputBlockV2(
        schema, continuous=mm.ContinuousProjection(continuous, mm.MLPBlock([CONTINUOUS_PROJECTION]))
    )
    return mm.Encoder(inputs, mm.MLPBlock(TOWER_LAYERS, no_activation_last_layer=True))


@tf.keras.utils.register_keras_serializable(package="rec_assets")
class TwoTower(tf.keras.Model):
    """Softmax over in-batch negatives with the logQ correction of Yi et al. 2019 (doi:10.1145/3298689.3346996).

    In-batch negatives arrive in proportion to popularity, so an uncorrected softmax learns lift, log P(i|u) - log P(i),
    and loses to popularity on real purchases. Subtracting log P(i) from the training logits makes the plain inner
    product of the towers an estimate of log P(i|u), which is what the index searches.
    """

    def __init__(
        self,
        query: mm.Encoder,
        candidate: mm.Encoder,
        item_probabilities: npt.NDArray[np.float32],
        temperature: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.query = query
        self.candidate = candidate
        self.temperature = temperature
        self.log_probability = tf.constant(np.log(np.maximum(item_probabilities, 1e-9)), tf.float32)

    def call(self, batch: tuple[dict[str, Any], dict[str, Any]], training: bool = False) -> Any:
        """Logits [n, n] of every query of the batch against every item of the batch, before any correction."""
        users, items = batch
        queries = self.query(users, training=training)
        candidates = self.candidate(items, training=training)
        return tf.matmul(queries, candidates, transpose_b=True) / self.temperature

    def train_step(self, batch: tuple[dict[str, Any], dict[str, Any]]) -> dict[str, Any]:
        """One step over (user columns, item columns) of the same rows."""
        item_ids = tf.reshape(batch[1]["item_id"], [-1])
        with tf.GradientTape() as tape:
            logits = self(batch, training=True) - tf.gather(self.log_probability, item_ids)[None, :]
            # Another row of the same item is no negative.
            same = tf.equal(item_ids[:, None], item_ids[None, :])
            same = tf.linalg.set_diag(same, tf.zeros_like(item_ids, tf.bool))
            logits = tf.where(same, tf.float32.min, logits)
            labels = tf.range(tf.shape(item_ids)[0])
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
            total = loss + tf.add_n(self.losses) if self.losses else loss
        self.optimizer.minimize(total, self.trainable_variables, tape=tape)
        return {"loss": loss}
