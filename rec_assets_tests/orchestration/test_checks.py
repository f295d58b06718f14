"""The checks that block a bundle."""

from pathlib import Path
from types import SimpleNamespace

import faiss
import numpy as np
import pytest
from dagster import AssetCheckResult
from dagster._core.definitions.decorators.op_decorator import DecoratedOpFunction

from rec_assets.inference import item_index
from rec_assets.inference.item_index import INDEX, build_index, write_index
from rec_assets.inference.item_vectors import ItemVectors
from rec_assets.storage.artifact_store import ArtifactStore
from rec_assets_tests.pipeline import Pipeline


def judged(root: Path, day: str, items: ItemVectors, index: faiss.Index) -> AssetCheckResult:
    """Publishes vectors and index of a day, and returns what the check says."""
    # The graph is imported under the pipeline's settings.
    from rec_assets.orchestration.checks import index_recall as check
    from rec_assets.orchestration.resources import Artifacts

    store = ArtifactStore(root)
    with store.publish("item_embeddings", day) as draft:
        items.save(draft.path / "item_vectors.npz")
    with store.publish("faiss_index", day) as draft:
        write_index(index, draft.path / INDEX)
    # Dagster runs a partitioned check only beside its asset.
    compute = check.op.compute_fn
    assert isinstance(compute, DecoratedOpFunction)
    return compute.decorated_fn(SimpleNamespace(partition_key=day), Artifacts(root=str(root)))


@pytest.mark.slow
def test_an_index_that_misses_items_is_not_served(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(item_index, "EXACT_UP_TO", 1000)
    rng = np.random.default_rng(0)
    items = ItemVectors(np.arange(1, 5001, dtype=np.int32), rng.normal(size=(5000, 16)).astype(np.float32))
    index = build_index(items)
    assert isinstance(index, faiss.IndexIVF)
    good = judged(tmp_path, pipeline.day, items, index)
    index.nprobe = 1
    bad = judged(tmp_path, pipeline.day, items, index)
    assert (good.passed, bad.passed) == (True, False)
    low, high = (one.metadata["recall@300"].value for one in (bad, good))
    assert isinstance(low, float) and isinstance(high, float) and low < high < 1
