"""Trains one model with two replicas on CPUs. `benchmarks/training.py` runs on GPUs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import tensorflow as tf

from rec_assets.training.loop import data_parallel
from rec_assets_tests.pipeline import Pipeline

# A separate process: TensorFlow can split a CPU into two devices only before its first use.
TRAIN = """
import hashlib, json, sys
from pathlib import Path
from rec_assets import merlin_compat
merlin_compat.install()
import tensorflow as tf

# Before the import of Merlin, which initializes TensorFlow.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
from rec_assets.training.retrieval import train as training
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.training.retrieval.train import TwoTowerConfig

two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
data, out = TrainingSet.load(Path(sys.argv[1])), Path(sys.argv[2])
alone = training.training_strategy


def trained(strategy, epochs, state=None):
    training.training_strategy = strategy
    config = TwoTowerConfig(1, batch_size=256, max_epochs=epochs)
    model, history = training.train_two_tower(data, config, 7, lambda _: None, state)
    training.train_on_last_rows(model, data, config, 1, 7)
    weights = b"".join(weight.tobytes() for weight in model.get_weights())
    return {
        "digest": hashlib.sha256(weights).hexdigest(),
        "validation": history.validation,
        "steps": int(model.optimizer.iterations.numpy()),
    }


trained(lambda: two, 1, out / "state.npz")
print(json.dumps({
    "resumed": trained(lambda: two, 2, out / "state.npz"),
    "two": trained(lambda: two, 2),
    "one": trained(alone, 2),
}))
"""


@pytest.mark.slow
def test_two_replicas_train_one_model(pipeline: Pipeline, tmp_path: Path) -> None:
    arguments = [
        sys.executable,
        "-W",
        "ignore",
        "-c",
        TRAIN,
        str(pipeline.artifact("training_set").path),
        str(tmp_path),
    ]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    made = json.loads(done.stdout.splitlines()[-1])
    assert made["resumed"] == made["two"]  # an interruption changes nothing
    assert made["two"]["digest"] != made["one"]["digest"]
    assert max(made["two"]["validation"]) > max(made["one"]["validation"]) - 0.05


def test_without_several_gpus_there_is_one_replica() -> None:
    with data_parallel.training_strategy().scope():
        assert data_parallel.replicas() == 1
    assert not isinstance(data_parallel.training_strategy(), tf.distribute.MirroredStrategy)
