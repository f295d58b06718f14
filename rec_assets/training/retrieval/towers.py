"""The two towers, built of Merlin's blocks, and the layer of item vectors that both share."""

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
from rec_assets.features.history import PADDING_ID
from rec_assets.features.signals.item_signals import ItemCategories
from rec_assets.inference.lookups import OUT_OF_VOCABULARY
from rec_assets.training.retrieval.history_pooling import POOLINGS

DIM = 63  # TwoTower adds one dimension for popularity
TOWER_LAYERS = [128, DIM]
CONTINUOUS_PROJECTION = 8
SESSION_HOURS = 0.5
WHOLE_TABLE_UP_TO = 50_000  # items; about as many as the histories of a batch of 1,024 hold


def content_columns(dim: int = 64) -> list[ColumnSchema]:
    """Returns the schema of the pretrained image and text vectors."""
    tags = [Tags.EMBEDDING, Tags.ITEM]
    return [ColumnSchema(name, dtype="float32", dims=(None, dim), tags=tags) for name in CONTENT_FEATURES]


class ItemVectorLayer(tf.keras.layers.Layer):
    """Item vectors float32 [..., 63]: the sum of the vectors of an item's id and of its two categories.

    The vectors of categories represent rare items better than id vectors, and are the only information on new items.
    """

    def __init__(self, categories: ItemCategories) -> None:
        # A fixed name: the names of graph nodes set the order of sums, see `make_deterministic`.
        super().__init__(name="item_vectors")
        self.size = len(categories.l1)
        # Arrays, because a constant from outside the exported function would become an input of the ONNX model.
        self.l1, self.l2 = categories.l1.astype(np.int32), categories.l2.astype(np.int32)

        def table(rows: int) -> tf.keras.layers.Embedding:
            return tf.keras.layers.Embedding(rows, DIM, tf.keras.initializers.RandomNormal(stddev=0.05))

        self.of_id = table(self.size)
        self.of_l1, self.of_l2 = table(int(categories.l1.max()) + 1), table(int(categories.l2.max()) + 1)

    def call(self, item_ids: Any, l1: Any, l2: Any) -> Any:
        """Returns the vectors of encoded ids of any shape, given with their categories."""
        return self.of_id(item_ids) + self.of_l1(l1) + self.of_l2(l2)

    @property
    def is_whole(self) -> bool:
        """True if `table` returns all vectors, False if it returns only the vectors of distinct ids."""
        return self.size <= WHOLE_TABLE_UP_TO

    def all_vectors(self) -> npt.NDArray[np.float32]:
        """Returns the vectors of all ids, [v, 63]; serving looks up histories in these vectors."""
        return self(np.arange(self.size, dtype=np.int32), self.l1, self.l2).numpy()

    def known(self, item_ids: Any) -> Any:
        """Replaces ids added after training by the unknown id."""
        return tf.where(item_ids < self.size, item_ids, OUT_OF_VOCABULARY)

    def table(self, item_ids: Any) -> tuple[Any, Any]:
        """Returns vectors float32 [v, 63], and the row of each id in these vectors, int32 in the shape of the ids.

        Returns the vectors of all ids, or only of the distinct ids in a large catalog. Both are fewer than one per id.
        """
        known = self.known(item_ids)
        if self.is_whole:
            return self(np.arange(self.size, dtype=np.int32), self.l1, self.l2), known
        distinct, rows = tf.unique(tf.reshape(known, [-1]))
        vectors = self(distinct, tf.gather(self.l1, distinct), tf.gather(self.l2, distinct))
        return vectors, tf.reshape(rows, tf.shape(known))


class QueryTower(tf.keras.Model):
    """The query tower: user, context and history → float32 [n, 63].

    The pooled history is an input of the network and is also added to its output. The candidate tower does the same
    with the item vector. So an item matches itself, and items that users interact with together.
    """

    def __init__(self, schema: Schema, items: ItemVectorLayer, pooling: str, *, context: bool = True) -> None:
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
            training: Keras' training flag.
            items: precomputed vectors of all ids from `ItemVectorLayer`, float32 [v, 63], or None.
        """
        history, hours = (columns[name][:, :HISTORY_READ] for name in (HISTORY_IDS, HISTORY_HOURS))
        is_item = history != PADDING_ID
        table, rows = self.items.table(history) if items is None else (items, self.items.known(history))
        pooled = self.pool(table, rows, is_item, hours)
        inputs = self.block({name: columns[name] for name in self.features}, training=training)
        summary = tf.concat([inputs, pooled, _pace(is_item, hours)], axis=1)
        return self.mlp(summary, training=training) + pooled


class CandidateTower(tf.keras.Model):
    """The candidate tower: item features and content vectors → float32 [n, 63]."""

    def __init__(self, schema: Schema, items: ItemVectorLayer) -> None:
        super().__init__(name="candidate_tower")
        columns = schema.select_by_name([name for name in ITEM_FEATURES if name != "item_id"])
        self.block = _input_block(Schema([*columns, *content_columns()]))
        self.items = items
        self.mlp = mm.MLPBlock(TOWER_LAYERS, no_activation_last_layer=True)

    def call(self, columns: dict[str, Any], training: bool = False) -> Any:
        """Returns the item vectors for columns [n, 1] and content vectors [n, 64]."""
        vectors = self.items(*(columns[name][:, 0] for name in ("item_id", "category_l1", "category_l2")))
        inputs = self.block({name: column for name, column in columns.items() if name != "item_id"}, training=training)
        return self.mlp(tf.concat([inputs, vectors], axis=1), training=training) + vectors


def _input_block(schema: Schema) -> Any:
    continuous = mm.ContinuousProjection(schema.select_by_tag(Tags.CONTINUOUS), mm.MLPBlock([CONTINUOUS_PROJECTION]))
    return mm.InputBlockV2(schema, continuous=continuous)


def _pace(is_item: Any, hours: Any) -> Any:
    """Returns age of the last interaction, count of all, and count of this session, [n, 3], scaled to about 1."""
    present = tf.cast(is_item, tf.float32)
    last = tf.math.log(1.0 + hours[:, :1]) * present[:, :1]
    known = tf.math.log(1.0 + tf.reduce_sum(present, axis=1, keepdims=True))
    session = tf.reduce_sum(tf.where(hours < SESSION_HOURS, present, 0.0), axis=1, keepdims=True)
    return tf.concat([last / 5, known / 5, tf.minimum(session, 3.0)], axis=1)
