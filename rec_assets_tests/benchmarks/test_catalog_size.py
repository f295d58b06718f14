from pathlib import Path

import pytest

from benchmarks.catalog_size import enlarge
from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.runner import load_stages, run
from rec_assets_tests.pipeline import Pipeline

ITEMS = 3_000


@pytest.mark.slow
def test_an_enlarged_bundle_answers_with_its_new_items(pipeline: Pipeline, tmp_path: Path) -> None:
    live = Bundle.open(pipeline.artifact("model_bundle").path)
    bundle, vectors, _ = enlarge(live, tmp_path / "many", ITEMS, seed=0)
    assert len(vectors.raw_ids) == ITEMS
    listed = run(load_stages(bundle, pipeline.settings), {"user_id": [-1]})["ordered_ids"].tolist()
    assert len(listed) == pipeline.settings.ranking_topk
    assert set(listed) - set(live.lookups.vocabularies["item_id"].tolist())
