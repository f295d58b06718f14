"""Writes query tower and ranker as SavedModels, from the checkpoints of the bundle's ONNX models.

Runs as a separate program, so that the benchmark imports no TensorFlow:
`python -m benchmarks.reference.saved_models FOLDER`.
"""

import sys
from pathlib import Path

from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifacts.stores import open_store

TOWER, RANKER = "query_tower", "dlrm_ranking"
SUFFIX = ".savedmodel"


def write_saved_models(settings: Settings, folder: Path) -> None:
    """Exports the models of the as-of day to `folder/query_tower.savedmodel` and `folder/dlrm_ranking.savedmodel`."""
    from rec_assets.datasets.evaluation_set import EvaluationSet
    from rec_assets.datasets.retrieve import Retrieval
    from rec_assets.training.ranking.train import export_ranker, restore_ranker
    from rec_assets.training.retrieval.encode import export_query_tower
    from rec_assets.training.retrieval.train import TwoTowerConfig, restore_two_tower

    store, day = open_store(settings), settings.as_of.isoformat()
    data = EvaluationSet.load(store.get("training_set", day).path)
    towers = restore_two_tower(data, TwoTowerConfig(settings.valid_days), store.get("two_tower_model", day).path)
    tower = folder / f"{TOWER}.onnx"
    export_query_tower(towers, data, tower, saved_model=True)
    retrieval = Retrieval(tower, store.get("faiss_index", day).path, data.items, data.log, data.repeats)
    ranker = restore_ranker(data, store.get("dlrm_model", day).path)
    export_ranker(ranker, data, retrieval, folder / f"{RANKER}.onnx", saved_model=True)


if __name__ == "__main__":
    write_saved_models(get_settings(), Path(sys.argv[1]))
