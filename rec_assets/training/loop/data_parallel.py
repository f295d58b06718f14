"""One training on all GPUs of this process: each replica takes a batch of every step, and gradients are added up."""

from typing import Any

import tensorflow as tf


def training_strategy() -> tf.distribute.Strategy:
    """Returns a strategy over the GPUs that this process sees, or the default one where there are fewer than two.

    `CUDA_VISIBLE_DEVICES` names fewer GPUs than the machine has.
    """
    gpus = tf.config.list_logical_devices("GPU")
    return tf.distribute.MirroredStrategy(gpus) if len(gpus) > 1 else tf.distribute.get_strategy()


def compile_with_adam(model: tf.keras.Model, learning_rate: float) -> None:
    """Compiles a built model for training by Adam, with the optimizer's weights made.

    Made within the first step, as Keras would, they fail with several replicas.
    """
    with model.distribute_strategy.scope():
        model.compile(optimizer=tf.keras.optimizers.legacy.Adam(learning_rate))
        model.optimizer._create_all_weights(model.trainable_variables)


def replicas() -> int:
    """Returns how many replicas take each step, inside of a step or of a strategy's scope."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def replica_number() -> Any:
    """Returns the number of the replica that asks, 0 … `replicas() - 1`, inside of a step."""
    context = tf.distribute.get_replica_context()
    return 0 if context is None else context.replica_id_in_sync_group
