"""SavedModels have the inputs and outputs of the model, and equal models have equal bytes."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from rec_assets.storage.integrity import digest_of
from rec_assets.training.export.onnx import export_model

EXAMPLE = {
    "unread": np.zeros(3, np.int32),
    "item_id": np.array([0, 2, 4], np.int32),
    "price": np.array([0.5, -1.0, 2.0], np.float32),
    "vector": np.arange(12, dtype=np.float32).reshape(3, 4),
}


class Toy(tf.Module):
    """A model with a lookup, a branch and a sum, like the real models."""

    def __init__(self) -> None:
        super().__init__()
        self.table = tf.Variable(np.linspace(0, 1, 20, dtype=np.float32).reshape(5, 4))

    def __call__(self, columns: dict[str, tf.Tensor]) -> tf.Tensor:
        looked_up = tf.gather(self.table, columns["item_id"][:, 0])
        scaled = tf.cond(tf.reduce_sum(columns["price"]) > 0, lambda: 2 * looked_up, lambda: looked_up)
        return tf.reduce_sum(scaled * columns["vector"], axis=1, keepdims=True) + columns["price"]


def exported(folder: Path) -> Path:
    folder.mkdir()
    export_model(Toy(), EXAMPLE, "score", folder / "model.onnx", saved_model=True)
    return folder / "model.savedmodel"


def test_it_has_the_output_of_the_model_and_the_inputs_that_the_model_reads(tmp_path: Path) -> None:
    loaded = tf.saved_model.load(str(exported(tmp_path / "toy")))
    answer = loaded.signatures["serving_default"]
    assert set(answer.structured_input_signature[1]) == {"item_id", "price", "vector"}
    rows = {name: tf.constant(values.reshape(3, -1)) for name, values in EXAMPLE.items() if name != "unread"}
    np.testing.assert_allclose(answer(**rows)["score"], Toy()({**rows, "unread": tf.zeros([3, 1])}), rtol=1e-6)
    first = answer(**{name: column[:1] for name, column in rows.items()})["score"]
    assert first.shape == (1, 1)


def test_equal_models_are_equal_bytes_whatever_the_process_did_before(tmp_path: Path) -> None:
    once = digest_of(exported(tmp_path / "once"))
    tf.function(lambda x: tf.nn.relu(x) + 1).get_concrete_function(tf.TensorSpec([None], tf.float32))
    Toy()
    assert digest_of(exported(tmp_path / "again")) == once


def test_no_saved_model_is_written_by_default(tmp_path: Path) -> None:
    export_model(Toy(), EXAMPLE, "score", tmp_path / "model.onnx")
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]
