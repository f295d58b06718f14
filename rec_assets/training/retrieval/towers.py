"""The two towers, built of Merlin's blocks around one table of item vectors that they share."""

from typing import Any

import merlin.models.tf as mm
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from merlin.schema import ColumnSchema, Schema, Tags

from rec_assets.features.columns import (
    CONTENT_FEATURES,
    CONTEXT_FEATURES,
    HISTORY_HOURS,
    HISTORY_IDS,
    HISTORY_READ,
    ITEM_FEATURES,
    USER_FEATURES,
)
from rec_assets.features.history import PADDING
from rec_assets.features.signals import ItemCategories
from rec_assets.inference.lookups import OUT_OF_VOCABULARY
from rec_assets.training.retrieval.history_pooling import POOLINGS

DIM = 63  # one more is kept for popularity, see TwoTower
TOWER_LAYERS = [128, DIM]
CONTINUOUS_PROJECTION = 8
SESSION_HOURS = 0.5
WHOLE_TABLE_UP_TO = 50_000  # items; about as many as the histories of a batch of 1,024 hold


def content_columns(dim: int = 64) -> list[ColumnSchema]:
    """The schema of the pretrained image and text vectors."""
    tags = [Tags.EMBEDDING, Tags.ITEM]
    return [ColumnSchema(name, dtype="float32", dims=(None, dim), tags=tags) for name in CONTENT_FEATURES]


class ItemVectors(tf.keras.layers.Layer):
    """An item's own vector, float32 [..., 63]: the sum of what its id and its two categories say.

    Categories carry what an id alone is too rare to say, and all that is known of an item that came after training.
    """

    def __init__(self, categories: ItemCategories) -> None:
        super().__init__()
        self.size = len(categories.l1)
        # As arrays: a constant made outside of the exported function would become an input of the ONNX model.
        self.l1, self.l2 = categories.l1.astype(np.int32), categories.l2.astype(np.int32)

        def table(rows: int) -> tf.keras.layers.Embedding:
            return tf.keras.layers.Embedding(rows, DIM, tf.keras.initializers.RandomNormal(stddev=0.05))

        self.of_id = table(self.size)
        self.of_l1, self.of_l2 = table(int(categories.l1.max()) + 1), table(int(categories.l2.max()) + 1)

    def call(self, item_ids: Any, l1: Any, l2: Any) -> Any:
        """Encoded ids of any shape, and their categories."""
        return self.of_id(item_ids) + self.of_l1(l1) + self.of_l2(l2)

    @property
    def is_whole(self) -> bool:
        """True where `table` returns all vectors, False where it returns those of distinct ids."""
        return self.size <= WHOLE_TABLE_UP_TO

    def all_vectors(self) -> npt.NDArray[np.float32]:
        """The vectors of all ids, [v, 63]: what serving looks histories up in."""
        return self(np.arange(self.size, dtype=np.int32), self.l1, self.l2).numpy()

    def known(self, item_ids: Any) -> Any:
        """Ids that came after training become the unknown one."""
        return tf.where(item_ids < self.size, item_ids, OUT_OF_VOCABULARY)

    def table(self, item_ids: Any) -> tuple[Any, Any]:
        """Vectors float32 [v, 63], and the row of each id in them, int32 in the shape of the ids.

        All vectors, or in a large catalog the vectors of the distinct ids: either is less than one for each id.
        """
        known = self.known(item_ids)
        if self.is_whole:
            return self(np.arange(self.size, dtype=np.int32), self.l1, self.l2), known
        distinct, rows = tf.unique(tf.reshape(known, [-1]))
        vectors = self(distinct, tf.gather(self.l1, distinct), tf.gather(self.l2, distinct))
        return vectors, tf.reshape(rows, tf.shape(known))


class QueryTower(tf.keras.Model):
    """User, context and history → float32 [n, 63].

    The pooled history is an input of the network and is added to its output, as an item's own vector is to the
    candidate tower's: so an item can match itself and what is chosen along with it.
    """

    def __init__(self, schema: Schema, items: ItemVectors, pooling: str, *, context: bool = True) -> None:
        super().__init__(name="query_tower")
        self.features = (*USER_FEATURES, *CONTEXT_FEATURES) if context else USER_FEATURES
        self.block = _input_block(schema.select_by_name(list(self.features)))
        self.items = items
        self.pool = POOLINGS[pooling](DIM)
        self.mlp = mm.MLPBlock(TOWER_LAYERS, no_activation_last_layer=True)

    def call(self, columns: dict[str, Any], training: bool = False, items: Any = None) -> Any:
        """Returns the query vectors.

        Args:
            columns: [n, 1]; `history_item_id` int32 and `history_hours` float32 [n, length], newest first.
            training: as Keras has it.
            items: all vectors of `ItemVectors`, float32 [v, 63], where they are at hand.
        """
        history, hours = (columns[name][:, :HISTORY_READ] for name in (HISTORY_IDS, HISTORY_HOURS))
        there = history != PADDING
        table, rows = self.items.table(history) if items is None else (items, self.items.known(history))
        pooled = self.pool(table, rows, there, hours)
        inputs = self.block({name: columns[name] for name in self.features}, training=training)
        summary = tf.concat([inputs, pooled, _pace(there, hours)], axis=1)
        return self.mlp(summary, training=training) + pooled


class CandidateTower(tf.keras.Model):
    """Item features and content vectors → float32 [n, 63]."""

    def __init__(self, schema: Schema, items: ItemVectors) -> None:
        super().__init__(name="candidate_tower")
        columns = schema.select_by_name([name for name in ITEM_FEATURES if name != "item_id"])
        self.block = _input_block(Schema([*columns, *content_columns()]))
        self.items = items
        self.mlp = mm.MLPBlock(TOWER_LAYERS, no_activation_last_layer=True)

    def call(self, columns: dict[str, Any], training: bool = False) -> Any:
        """Columns [n, 1] and content vectors [n, 64]."""
        own = self.items(*(columns[name][:, 0] for name in ("item_id", "category_l1", "category_l2")))
        inputs = self.block({name: column for name, column in columns.items() if name != "item_id"}, training=training)
        return self.mlp(tf.concat([inputs, own], axis=1), training=training) + own


def _input_block(schema: Schema) -> Any:
    continuous = mm.ContinuousProjection(schema.select_by_tag(Tags.CONTINUOUS), mm.MLPBlock([CONTINUOUS_PROJECTION]))
    return mm.InputBlockV2(schema, continuous=continuous)


def _pace(there: Any, hours: Any) -> Any:
    """Returns the age of the last interaction, the count of all and of this session's, [n, 3], about 1 each."""
    present = tf.cast(there, tf.float32)
    last = tf.math.log(1.0 + hours[:, :1]) * present[:, :1]
    known = tf.math.log(1.0 + tf.reduce_sum(present, axis=1, keepdims=True))
    session = tf.reduce_sum(tf.where(hours < SESSION_HOURS, present, 0.0), axis=1, keepdims=True)
    return tf.concat([last / 5, known / 5, tf.minimum(session, 3.0)], axis=1)
