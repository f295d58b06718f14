"""One training in two processes: each has rows of its own, and all have one model."""

from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.errors import ActionableError
from rec_assets.models.checkpoints import WEIGHTS, load_history, save_checkpoint
from rec_assets.models.distributed import ALONE, Share, take_share, train_in_processes
from rec_assets_tests.pipeline import Pipeline

# Each process imports this module before it takes a GPU, hence no Merlin here.
if TYPE_CHECKING:
    from rec_assets.models.train_two_tower import TwoTowerConfig
    from rec_assets.models.training_set import TrainingSet

MODULE = "rec_assets.models.distributed"
EPOCHS, SEED = 3, 7


def recipe(epochs: int) -> "TwoTowerConfig":
    from rec_assets.models.train_two_tower import TwoTowerConfig

    return TwoTowerConfig(horizon_days=1, max_epochs=epochs)


@given(rows=st.integers(0, 1_000), size=st.integers(1, 9), seed=st.integers(0, 9))
def test_shares_are_equally_long_and_together_all_but_a_remainder(rows: int, size: int, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(rows)
    shares = [Share(rank, size).of(order) for rank in range(size)]
    assert {len(share) for share in shares} == {rows // size}
    together = np.concatenate(shares)
    assert len(np.unique(together)) == len(together) and set(together) <= set(order)


def test_alone_everything_is_as_it_was() -> None:
    order, optimizer = np.random.default_rng(0).permutation(10), tf.keras.optimizers.legacy.Adam()
    np.testing.assert_array_equal(ALONE.of(order), order)
    assert ALONE.leads and ALONE.averaging(optimizer) is optimizer and ALONE.agreed(0.3) == 0.3


def started(folder: Path) -> None:
    """Starts two processes, without a training set that they could read."""
    train_in_processes(2, cast("TrainingSet", None), folder, recipe(EPOCHS), SEED)


def test_without_horovod_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(f"{MODULE}.find_spec", lambda _: None)
    with pytest.raises(ActionableError, match="REC_TRAINING_PROCESSES=2 needs Horovod") as refusal:
        started(tmp_path)
    assert "Install horovod" in refusal.value.next_step and "REC_TRAINING_PROCESSES=1" in refusal.value.next_step


def test_two_processes_do_not_share_a_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(f"{MODULE}.find_spec", lambda _: object())
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: ["the only one"])
    with pytest.raises(ActionableError, match="REC_TRAINING_PROCESSES=2, but there is 1 GPU here"):
        started(tmp_path)


def mean_slope(share: Share) -> float:
    """What a step of size 1 goes down where the slope is 1 in the first process, 2 in the second."""
    place, optimizer = tf.Variable(0.0), share.averaging(tf.keras.optimizers.legacy.SGD(1.0))
    with tf.GradientTape() as tape:
        height = (share.rank + 1) * place
    optimizer.minimize(height, [place], tape=tape)
    return -float(place)


def train_and_go_on(training_set: Path, out: Path) -> float:
    """In each process: trains an epoch, goes on from the state that was kept, and writes what came of it."""
    share, state = take_share(), out / "state.npz"
    from rec_assets.models.train_two_tower import train_two_tower
    from rec_assets.models.training_set import TrainingSet

    data = TrainingSet.load(training_set)
    train_two_tower(data, recipe(1), SEED, lambda _: None, state, share)
    model, history = train_two_tower(data, recipe(EPOCHS), SEED, lambda _: None, state, share)
    folder = out / str(share.rank)
    folder.mkdir()
    save_checkpoint(model, history, folder)
    return mean_slope(share)


@pytest.mark.slow
def test_two_processes_train_one_model(pipeline: Pipeline, tmp_path: Path) -> None:
    horovod = pytest.importorskip("horovod", reason="Horovod is compiled when it is installed, which takes minutes")
    from rec_assets.models.train_two_tower import train_two_tower
    from rec_assets.models.training_set import TrainingSet

    training_set = pipeline.artifact("training_set").path
    slopes = horovod.run(train_and_go_on, (training_set, tmp_path), num_proc=2, disable_cache=True)
    assert slopes == [1.5, 1.5]
    first, second = (load_history(tmp_path / rank) for rank in "01")
    assert len(first.loss) == EPOCHS and first.validation == second.validation
    assert first.loss[-1] != second.loss[-1]  # their rows differ
    with np.load(tmp_path / "0" / WEIGHTS) as ours, np.load(tmp_path / "1" / WEIGHTS) as theirs:
        weights = [ours[name] for name in ours.files]
        for one, other in zip(weights, (theirs[name] for name in theirs.files), strict=True):
            np.testing.assert_array_equal(one, other)

    data = TrainingSet.load(training_set)
    model, history = train_in_processes(2, data, training_set, recipe(EPOCHS), SEED)
    assert history == first  # not interrupted, it is the same
    for one, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    _, alone = train_two_tower(data, recipe(EPOCHS), SEED, lambda _: None)
    assert history.best > alone.best - 0.05
