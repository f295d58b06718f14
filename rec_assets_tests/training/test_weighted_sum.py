import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_assets.training.retrieval.weighted_sum import weighted_sum


def by_looking_up(table: tf.Tensor, rows: tf.Tensor, weights: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(tf.gather(table, rows) * weights[..., None], axis=1)


@settings(max_examples=30)
@given(seed=st.integers(0, 1_000), n=st.integers(1, 9), length=st.integers(1, 7), v=st.integers(1, 12))
def test_it_is_the_sum_of_look_ups_and_so_are_its_gradients(seed: int, n: int, length: int, v: int) -> None:
    random = np.random.default_rng(seed)
    table, upstream = (tf.constant(random.normal(size=(size, 5)), tf.float32) for size in (v, n))
    rows = tf.constant(random.integers(0, v, (n, length)), tf.int32)
    weights = tf.constant(np.where(random.random((n, length)) < 0.4, 0, random.random((n, length))), tf.float32)
    made = []
    for function in (weighted_sum, by_looking_up):
        with tf.GradientTape() as tape:
            tape.watch([table, weights])
            total = function(table, rows, weights)
            loss = tf.reduce_sum(total * upstream)
        gradients = tape.gradient(loss, [table, weights], unconnected_gradients="zero")
        made.append([total, *(tf.convert_to_tensor(gradient) for gradient in gradients)])
    for ours, plain in zip(*made, strict=True):
        np.testing.assert_allclose(ours, plain, atol=1e-5)


def test_empty_histories_change_nothing() -> None:
    table = tf.Variable(tf.ones((3, 2)))
    with tf.GradientTape() as tape:
        total = weighted_sum(table, tf.zeros((4, 5), tf.int32), tf.zeros((4, 5)))
    gradient = tape.gradient(total, table)
    assert not np.any(total) and gradient.shape == (3, 2) and not np.any(gradient)


@pytest.mark.parametrize("seed", [0, 1])
def test_equal_inputs_give_equal_bytes(seed: int) -> None:
    random = np.random.default_rng(seed)
    rows = tf.constant(random.integers(0, 300, (500, 50)), tf.int32)
    weights = tf.constant(random.random((500, 50)), tf.float32)
    table = tf.Variable(random.normal(size=(300, 63)).astype(np.float32))

    def gradient() -> bytes:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(tf.sin(weighted_sum(table, rows, weights)))
        return tf.convert_to_tensor(tape.gradient(total, table)).numpy().tobytes()

    assert len({gradient() for _ in range(5)}) == 1
