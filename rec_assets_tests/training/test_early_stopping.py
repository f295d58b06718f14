"""Resumes trainings that were killed between two epochs, with equal results."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from rec_assets.training.loop.averaging import WeightAverage
from rec_assets.training.loop.early_stopping import TrainingHistory, drawn_ahead, fit_until_best

pytestmark = pytest.mark.slow

METRIC = [0.1, 0.3, 0.2, 0.5, 0.4, 0.4, 0.9]


def model() -> tf.keras.Model:
    tf.keras.utils.set_random_seed(0)
    built = tf.keras.Sequential([tf.keras.layers.Dense(1, input_shape=(3,))])
    built.compile(optimizer=tf.keras.optimizers.legacy.Adam(0.1), loss="mse")
    built.optimizer._create_all_weights(built.trainable_variables)
    return built


def batches(epoch: int) -> tf.data.Dataset:
    x = np.random.default_rng(epoch).random((32, 3)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((x, x.sum(axis=1))).batch(8)


def fit(
    built: tf.keras.Model, metric: Iterator[float], unfinished: Path | None = None, *, average_steps: float = 0
) -> TrainingHistory:
    average = WeightAverage(average_steps) if average_steps else None
    return fit_until_best(
        built, batches, lambda: next(metric), 10, 2, lambda _: None, average=average, unfinished=unfinished
    )


def test_training_stops_when_validation_does_not_improve_and_keeps_the_best() -> None:
    whole, best = model(), model()
    history = fit(whole, iter(METRIC))
    assert history.validation == METRIC[:6]
    assert (history.best_epoch, history.best) == (4, 0.5)
    fit_until_best(best, batches, iter([1, 2, 3, 4]).__next__, 4, 2, lambda _: None)
    np.testing.assert_array_equal(whole.get_weights()[0], best.get_weights()[0])


def test_the_average_is_evaluated_and_kept_and_training_goes_on_from_the_last_weights() -> None:
    averaged, last = model(), model()
    fit(last, iter([0.1, 0.2, 0.3, 0.4, 0.3, 0.3]))
    fit(averaged, iter([0.1, 0.2, 0.3, 0.4, 0.3, 0.3]), average_steps=1)  # of one step: the last weights
    np.testing.assert_allclose(averaged.get_weights()[0], last.get_weights()[0], rtol=1e-6)
    fit(averaged := model(), iter([0.1, 0.2, 0.3, 0.4, 0.3, 0.3]), average_steps=100)
    assert np.abs(averaged.get_weights()[0] - last.get_weights()[0]).max() > 0.01


@pytest.mark.parametrize(("survived", "steps"), [(1, 0), (3, 0), (5, 0), (1, 6), (3, 6)])
def test_a_killed_training_goes_on_and_ends_with_the_same_weights(survived: int, steps: float, tmp_path: Path) -> None:
    whole, killed, resumed = model(), model(), model()
    expected = fit(whole, iter(METRIC), average_steps=steps)
    state = tmp_path / "state.npz"
    with pytest.raises(StopIteration):
        fit(killed, iter(METRIC[:survived]), state, average_steps=steps)
    assert state.exists()
    assert fit(resumed, iter(METRIC[survived:]), state, average_steps=steps) == expected
    for one, other in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_training_that_is_killed_after_its_last_epoch_is_not_trained_again(tmp_path: Path) -> None:
    state, whole, again = tmp_path / "state.npz", model(), model()
    expected = fit(whole, iter(METRIC), state)
    assert fit(again, iter([]), state) == expected
    for one, other in zip(whole.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_epochs_are_drawn_ahead_in_order() -> None:
    drawn: list[int] = []

    def draw(epoch: int) -> tf.data.Dataset:
        drawn.append(epoch)
        return batches(epoch)

    assert [epoch for epoch, _ in drawn_ahead(draw, 2, 5)] == [2, 3, 4] == drawn
    assert list(drawn_ahead(draw, 5, 5)) == []


def test_what_goes_wrong_while_an_epoch_is_drawn_is_raised() -> None:
    def draw(epoch: int) -> tf.data.Dataset:
        raise ValueError(f"epoch {epoch}")

    with pytest.raises(ValueError, match="epoch 0"):
        next(drawn_ahead(draw, 0, 3))
