"""Checks that block a bundle."""

from pathlib import Path
from types import SimpleNamespace

import faiss
import numpy as np
import pytest
from dagster import AssetCheckResult

from rec_assets.inference import item_index
from rec_assets.inference.item_index import INDEX, build_index, write_index
from rec_assets.inference.item_vectors import ItemVectors
from rec_assets.orchestration.checks import index_recall
from rec_assets.orchestration.resources import Artifacts
from rec_assets.storage.artifacts.store import ArtifactStore

DAY = "2025-03-14"


def checked(root: Path, day: str, items: ItemVectors, index: faiss.Index) -> AssetCheckResult:
    """Publishes vectors and index of a day, and returns the result of the check."""
    store = ArtifactStore(root)
    with store.publish("item_embeddings", day) as draft:
        items.save(draft.path / "item_vectors.npz")
    with store.publish("faiss_index", day) as draft:
        write_index(index, draft.path / INDEX)
    # Dagster runs a partitioned check only together with its asset, so the test calls the function.
    return index_recall.function(SimpleNamespace(partition_key=day), Artifacts(root=str(root)))


def test_an_index_that_misses_items_is_not_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_index, "EXACT_UP_TO", 1000)
    rng = np.random.default_rng(0)
    items = ItemVectors(np.arange(1, 5001, dtype=np.int32), rng.normal(size=(5000, 16)).astype(np.float32))
    index = build_index(items)
    assert isinstance(index, faiss.IndexIVF)
    good = checked(tmp_path, DAY, items, index)
    index.nprobe = 1
    bad = checked(tmp_path, DAY, items, index)
    assert (good.passed, bad.passed) == (True, False)
    low, high = (one.metadata["recall@300"].value for one in (bad, good))
    assert isinstance(low, float) and isinstance(high, float) and low < high < 1
