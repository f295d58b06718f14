"""The model that trains the two towers, by a softmax over corrected negatives."""

from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.datasets.rows import Arrays
from rec_assets.inference.lookups import FIRST_KNOWN, OUT_OF_VOCABULARY
from rec_assets.training.loop.data_parallel import replica_number, replicas
from rec_assets.training.loop.gradients import gradients, on_gpu
from rec_assets.training.retrieval.towers import CandidateTower, QueryTower


class TwoTower(tf.keras.Model):
    """Softmax over in-batch and uniform negatives with the logQ correction of Yi et al. (doi:10.1145/3298689.3346996).

    In-batch negatives occur in proportion to popularity. An uncorrected softmax therefore estimates the lift,
    log P(i|u) - log P(i), and is worse than popularity on real purchases. Q(i) is the expected number of times an item
    is among the candidates. With log Q(i) subtracted, the inner product of the towers estimates log P(i|u).

    The estimate is noisy for rare items. So the vectors have one more dimension: 1 in a query vector, a share of log
    popularity in an item vector. Validation selects the share. Uniform negatives (Yang et al. 2020,
    doi:10.1145/3366424.3386195) add items that are rare in batches.
    """

    def __init__(
        self,
        query: QueryTower,
        candidate: CandidateTower,
        counts: npt.NDArray[np.int64],
        features: Arrays,
        temperature: float,
        uniform_negatives: int,
        id_dropout: float,
        seed: int,
    ) -> None:
        """Stores the towers, training counts and features by encoded item id [v], and settings of `TwoTowerConfig`.

        `id_dropout` is the share of candidates whose id is replaced by the unknown id, to train it for new items.
        """
        super().__init__()
        self.query = query
        self.candidate = candidate
        self.temperature = temperature
        self.uniform_negatives = uniform_negatives
        self.id_dropout = id_dropout
        self.seed = seed
        self.count(counts)
        self.frozen: Any = None
        # Compilation fuses hundreds of small kernels: on an H100, a step of 1,024 rows takes half of the time.
        self._compiled = tf.function(self._loss_and_gradients, jit_compile=True)
        self.features = {name: tf.constant(array) for name, array in features.items()}
        self.popularity_weight = self.add_weight("popularity_weight", (), initializer="zeros", trainable=False)

    def freeze_items(self, vectors: npt.NDArray[np.float32], counts: npt.NDArray[np.int64]) -> None:
        """Fixes the item vectors by encoded id [v, 64]; training then changes only the query tower."""
        self.candidate.trainable = False
        self.query.items.trainable = False
        self.frozen = tf.constant(vectors[:, :-1])
        self.count(counts)

    def count(self, counts: npt.NDArray[np.int64]) -> None:
        """Sets the training counts by encoded item id [v]; a compiled model must be compiled again."""
        self.size = len(counts)
        self.share = tf.constant(counts / max(1, counts.sum()), tf.float32)

    def query_embedding(self, columns: dict[str, Any], items: Any = None) -> Any:
        """Returns query vectors for the index, float32 [n, 64]; arguments as `QueryTower.call`."""
        queries = self.query(columns, items=items)
        return tf.concat([queries, tf.ones_like(queries[:, :1])], axis=1)

    def item_embedding(self, columns: dict[str, Any], log_popularity: Any) -> Any:
        """Returns item vectors for the index, float32 [n, 64], from item columns and log popularity float32 [n, 1]."""
        weight = self.temperature * self.popularity_weight
        return tf.concat([self.candidate(columns), weight * log_popularity], axis=1)

    def train_step(self, batch: tuple[dict[str, Any], Any]) -> dict[str, Any]:
        """Trains one step on (query columns, encoded target items [n])."""
        columns, targets = batch
        step = tf.cast(self.optimizer.iterations, tf.int32)
        seed = self.seed + 2 * replica_number()  # a step uses two seeds
        step_function = self._compiled if on_gpu() and self.query.items.is_whole else self._loss_and_gradients
        loss, grads = step_function(columns, targets, seed, step)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
        return {"loss": loss}

    def _loss_and_gradients(self, columns: dict[str, Any], targets: Any, seed: Any, step: Any) -> tuple[Any, list[Any]]:
        """Returns the loss of a batch and its gradients."""
        rows = tf.shape(targets)[0]
        uniform = tf.random.stateless_uniform([self.uniform_negatives], [seed, step], FIRST_KNOWN, self.size, tf.int32)
        item_ids = tf.concat([targets, uniform], axis=0)
        expected = tf.cast(rows, tf.float32) * tf.gather(self.share, item_ids)
        expected += self.uniform_negatives / (self.size - FIRST_KNOWN)
        with tf.GradientTape() as tape:
            queries = self.query(columns, training=True)
            candidates = self._candidates(item_ids, seed, step)
            logits = tf.matmul(queries, candidates, transpose_b=True) / self.temperature - tf.math.log(expected)
            # The target item of a row is never its negative, neither from another row nor from the uniform draw.
            same = tf.equal(targets[:, None], item_ids)
            logits = tf.where(tf.linalg.set_diag(same, tf.zeros([rows], tf.bool)), tf.float32.min, logits)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(tf.range(rows), logits))
            # Gradients of replicas are summed.
            total = (loss + tf.add_n(self.losses) if self.losses else loss) / replicas()
        return loss, gradients(tape, total, self.trainable_variables)

    def _candidates(self, item_ids: Any, seed: Any, step: Any) -> Any:
        if self.frozen is not None:
            return tf.gather(self.frozen, item_ids)
        return self.candidate(self._columns(item_ids, seed, step), training=True)

    def _columns(self, item_ids: Any, seed: Any, step: Any) -> dict[str, Any]:
        columns = {name: tf.gather(table, item_ids) for name, table in self.features.items()}
        columns = {name: c[:, None] if c.shape.rank == 1 else c for name, c in columns.items()}
        hidden = tf.random.stateless_uniform(tf.shape(item_ids), [seed + 1, step]) < self.id_dropout
        return columns | {"item_id": tf.where(hidden[:, None], OUT_OF_VOCABULARY, columns["item_id"])}
