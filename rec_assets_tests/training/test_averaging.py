"""Averages of weights over the last steps of a training."""

import numpy as np
import pytest
import tensorflow as tf

from rec_assets.training.loop.averaging import WeightAverage


def model_with(value: float) -> tf.keras.Model:
    built = tf.keras.Sequential([tf.keras.layers.Dense(1, use_bias=False, input_shape=(1,))])
    built.set_weights([np.array([[value]], np.float32)])
    return built


def averaged(values: list[float], steps: float) -> float:
    average, model = WeightAverage(steps), model_with(0)
    average.set_model(model)
    for value in values:
        model.set_weights([np.array([[value]], np.float32)])
        average.on_train_batch_end(0)
    average.assign(model)
    return float(model.get_weights()[0][0, 0])


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        (100, (1 + 2 + 6) / 3),  # fewer steps than the horizon: the plain mean
        (1, 6),
        (2, ((1 + 2) / 2 + 6) / 2),
    ],
)
def test_the_average_covers_the_last_steps(steps: float, expected: float) -> None:
    assert averaged([1, 2, 6], steps) == pytest.approx(expected)


def test_a_model_has_its_own_weights_again_after_its_average_was_evaluated() -> None:
    average, model = WeightAverage(10), model_with(0)
    average.set_model(model)
    for value in (1.0, 3.0):
        model.set_weights([np.array([[value]], np.float32)])
        average.on_train_batch_end(0)
    with average.applied(model):
        assert model.get_weights()[0] == 2
    assert model.get_weights()[0] == 3


def test_without_a_step_the_weights_stay() -> None:
    model = model_with(5)
    WeightAverage(10).assign(model)
    assert model.get_weights()[0] == 5
