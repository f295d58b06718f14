"""Equal inputs and seeds train equal models, to the last bit."""

import tensorflow as tf


def make_deterministic(seed: int) -> None:
    """Seeds every random generator, and makes the order in which TensorFlow adds up the same every time.

    That order follows the names of a graph's nodes, which count the models a process has made before.
    """
    tf.keras.backend.clear_session()
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})
