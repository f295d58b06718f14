"""Writes query tower and ranker as SavedModels, from the checkpoints that the bundle's ONNX models came from.

A program of its own, `python -m benchmarks.reference.saved_models FOLDER`: TensorFlow stays out of the benchmark.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rec_assets.serving.graph import tensor
from rec_assets.settings import get_settings
from rec_assets.storage import open_store

TOWER, RANKER = "query_tower", "dlrm_ranking"


def write_saved_models(folder: Path) -> None:
    """Restores the models of the as-of day into `folder/query_tower` and `folder/dlrm_ranking`."""
    import tensorflow as tf

    from rec_assets.models.ranking_inputs import RANKER_FEATURES
    from rec_assets.models.towers import QUERY_FEATURES
    from rec_assets.models.train_dlrm import restore_ranker
    from rec_assets.models.train_two_tower import TwoTowerConfig, restore_two_tower
    from rec_assets.models.training_set import TrainingSet

    settings = get_settings()
    store, day = open_store(settings), settings.as_of.isoformat()
    data = TrainingSet.load(store.get("training_set", day).path)
    towers = restore_two_tower(data, TwoTowerConfig(settings.valid_days), store.get("two_tower_model", day).path)
    ranker = restore_ranker(data, store.get("dlrm_model", day).path)
    _save(lambda columns: towers.query_embedding(columns), QUERY_FEATURES, "query_embedding", folder / TOWER)
    _save(lambda columns: tf.sigmoid(ranker(columns)), RANKER_FEATURES, "score", folder / RANKER)


def _save(model: Callable[[dict[str, Any]], Any], names: Sequence[str], output: str, folder: Path) -> None:
    import tensorflow as tf

    dtypes = {"INT32": tf.int32, "FP32": tf.float32}

    def spec(name: str) -> Any:
        declared = tensor(f"user/{name}")
        return tf.TensorSpec([None, declared.dims[0] if declared.dims else 1], dtypes[declared.dtype], name=name)

    @tf.function(input_signature=[spec(name) for name in names], autograph=False)
    def forward(*values: Any) -> dict[str, Any]:
        return {output: model(dict(zip(names, values, strict=True)))}

    module = tf.Module()
    module.forward = forward
    # The graph is all that is served; the variables come along as constants of the function's own module.
    module.parts = [variable for variable in forward.get_concrete_function().graph.variables]
    tf.saved_model.save(module, str(folder), signatures={"serving_default": forward})


if __name__ == "__main__":
    write_saved_models(Path(sys.argv[1]))
