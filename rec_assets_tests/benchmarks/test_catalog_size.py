from pathlib import Path

from benchmarks.catalog_size import enlarge
from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.runner import load_stages, run
from rec_assets.settings import Settings

MANY = 700  # more items than the index returns


def test_an_enlarged_bundle_answers_with_its_new_items(tiny_bundle: Bundle, tmp_path: Path) -> None:
    bundle, vectors, _ = enlarge(tiny_bundle, tmp_path / "many", MANY, seed=0)
    assert len(vectors.raw_ids) == MANY
    settings = Settings(home=tmp_path / "home", valkey_port=1, retrieval_topk=300, ranking_topk=100)
    made = run(load_stages(bundle, settings), {"user_id": [-1]})
    old = set(tiny_bundle.lookups.vocabularies["item_id"].tolist())
    assert len(made["ordered_ids"]) == 100
    assert set(made["ordered_ids"].tolist()) - old
