"""Trains on all GPUs of this process. Each replica takes a batch of every step, and gradients are summed."""

from typing import Any

import tensorflow as tf


def training_strategy() -> tf.distribute.Strategy:
    """Returns a strategy over the visible GPUs, or the default strategy for fewer than two.

    `CUDA_VISIBLE_DEVICES` limits the visible GPUs.
    """
    gpus = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy(gpus) if len(gpus) > 1 else tf.distribute.get_strategy()


def compile_with_adam(model: tf.keras.Model, learning_rate: float) -> None:
    """Compiles a built model with Adam, and creates the optimizer's weights.

    Keras would create them in the first step, which fails with several replicas.
    """
    with model.distribute_strategy.scope():
        model.compile(optimizer=tf.keras.optimizers.legacy.Adam(learning_rate))
        model.optimizer._create_all_weights(model.trainable_variables)


def replicas() -> int:
    """Returns the number of replicas, inside a step or the scope of a strategy."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def replica_number() -> Any:
    """Returns the number of the current replica inside a step, 0 … `replicas() - 1`."""
    context = tf.distribute.get_replica_context()
    return 0 if context is None else context.replica_id_in_sync_group
