"""Compares the code for GPUs with the code for CPUs, on a CPU."""

import numpy as np
import pytest
import tensorflow as tf

from rec_assets.datasets.ranker_users import trains_ranker
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.features.columns import REQUEST_USER_ID
from rec_assets.training.loop import gradients
from rec_assets.training.loop.data_parallel import compile_with_adam
from rec_assets.training.loop.determinism import make_deterministic
from rec_assets.training.retrieval import two_tower, weighted_sum
from rec_assets.training.retrieval.tower_rows import TowerRows
from rec_assets.training.retrieval.train import TwoTowerConfig, build_two_tower
from rec_assets_tests.pipeline import Pipeline


@pytest.fixture
def as_on_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (gradients, weighted_sum, two_tower):
        monkeypatch.setattr(module, "on_gpu", lambda: True)


@pytest.mark.parametrize("shape", [(40,), (40, 6), (40, 2, 3)], ids=str)
@pytest.mark.usefixtures("as_on_gpu")
def test_rows_are_added_up_as_segments_are(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    values = tf.constant(random.normal(size=shape), tf.float32)
    rows = tf.constant(random.integers(0, 9, 40), tf.int32)
    np.testing.assert_allclose(
        gradients.sum_rows(values, rows, 10), tf.math.unsorted_segment_sum(values, rows, 10), atol=1e-5
    )


@pytest.mark.usefixtures("as_on_gpu")
def test_a_one_hot_matrix_that_would_be_too_large_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradients, "ONE_HOT_UP_TO", 39)
    monkeypatch.setattr(tf, "one_hot", lambda *_: pytest.fail("made"))
    assert float(gradients.sum_rows(tf.ones(4), tf.zeros(4, tf.int32), 10)[0]) == 4


@pytest.mark.usefixtures("as_on_gpu")
def test_the_weighted_sum_has_the_same_gradients() -> None:
    random = np.random.default_rng(1)
    table, weights = (tf.constant(random.random(shape), tf.float32) for shape in ((12, 5), (8, 7)))
    rows = tf.constant(random.integers(0, 12, (8, 7)), tf.int32)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([table, weights])
        ours = tf.reduce_sum(tf.sin(weighted_sum.weighted_sum(table, rows, weights)))
        plain = tf.reduce_sum(tf.sin(tf.reduce_sum(tf.gather(table, rows) * weights[..., None], axis=1)))
    for one in (table, weights):
        expected = tf.convert_to_tensor(tape.gradient(plain, one))
        np.testing.assert_allclose(tape.gradient(ours, one), expected, atol=1e-5)


@pytest.mark.slow
def test_a_compiled_epoch_trains_as_well_as_a_plain_one(pipeline: Pipeline, request: pytest.FixtureRequest) -> None:
    data = TrainingSet.load(pipeline.artifact("training_set").path)
    config = TwoTowerConfig(1, uniform_negatives=64)

    def losses() -> list[float]:
        make_deterministic(3)
        model = build_two_tower(data, config, 3)
        compile_with_adam(model, config.learning_rate)
        rows = TowerRows(data.rows, np.flatnonzero(~trains_ranker(data.rows[REQUEST_USER_ID])), data.log)
        return [model.fit(rows.epoch(len(rows), 1, 256, e), verbose=0).history["loss"][0] for e in range(2)]

    plain = losses()
    request.getfixturevalue("as_on_gpu")
    compiled = losses()
    # XLA draws other negatives from the same seeds. The loss falls only if training works.
    np.testing.assert_allclose(compiled, plain, rtol=5e-3)
    assert compiled[1] < 0.95 * compiled[0]
