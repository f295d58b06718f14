"""Feeds encoded rows to training: an epoch is a seeded permutation, and item features are looked up batch by batch."""

from typing import Any

import numpy as np
import tensorflow as tf

from rec_assets.models.rows import Arrays, ItemTable


def retrieval_batches(rows: Arrays, items: ItemTable, batch_size: int, seed: int) -> tf.data.Dataset:
    """One epoch of (user columns, item columns), each [batch, 1] or [batch, d]; a last partial batch is dropped."""
    users = {name: tf.constant(array) for name, array in rows.items() if name != "item_id"}
    item_ids = tf.constant(rows["item_id"])
    table = {name: tf.constant(array) for name, array in items.features.items()}

    def gather(index: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        chosen = tf.gather(item_ids, index)
        return _columns(users, index), _columns(table, chosen)

    order = np.random.default_rng(seed).permutation(len(rows["item_id"]))
    batches = tf.data.Dataset.from_tensor_slices(order).batch(min(batch_size, len(order)), drop_remainder=True)
    return batches.map(gather, num_parallel_calls=2, deterministic=True).prefetch(2)


def ranking_batches(rows: Arrays, lists: Arrays, items: ItemTable, batch_size: int, seed: int) -> tf.data.Dataset:
    """One epoch of candidate lists, each feature [batch, length] or [batch, length, d], the positive first.

    Args:
        rows: user and context columns of the events, [n].
        lists: `item_id` int32 [n, length] (encoded) and `retrieval_score` float32 [n, length].
        items: the item table.
        batch_size: lists a batch.
        seed: of the permutation.
    """
    events = {name: tf.constant(array) for name, array in rows.items() if name != "item_id"}
    candidates = {name: tf.constant(array) for name, array in lists.items()}
    table = {name: tf.constant(array) for name, array in items.features.items()}
    length = lists["item_id"].shape[1]

    def gather(index: Any) -> dict[str, Any]:
        chosen = {name: tf.gather(array, index) for name, array in candidates.items()}
        repeated = {name: tf.repeat(tf.gather(array, index)[:, None], length, axis=1) for name, array in events.items()}
        features = {name: tf.gather(array, chosen["item_id"]) for name, array in table.items()}
        return {**repeated, **chosen, **features}

    order = np.random.default_rng(seed).permutation(len(lists["item_id"]))
    batches = tf.data.Dataset.from_tensor_slices(order).batch(min(batch_size, len(order)), drop_remainder=True)
    return batches.map(gather, num_parallel_calls=2, deterministic=True).prefetch(2)


def _columns(arrays: dict[str, Any], index: Any) -> dict[str, Any]:
    taken = {name: tf.gather(array, index) for name, array in arrays.items()}
    return {name: value[:, None] if value.shape.rank == 1 else value for name, value in taken.items()}
