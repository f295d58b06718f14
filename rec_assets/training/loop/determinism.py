"""Deterministic training: equal inputs and seeds train bitwise equal models."""

import tensorflow as tf


def make_deterministic(seed: int) -> None:
    """Seeds every random generator, and makes TensorFlow sum in the same order on every run.

    This order follows the names of graph nodes, and the names count earlier models of the process.
    """
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
