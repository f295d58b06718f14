import json
from pathlib import Path

import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.assets.upstream import UpstreamStore, base_of, parent_of
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.store import ArtifactStore

CHAIN = frozenset({"dlrm_model"})


@pytest.fixture
def store(tmp_path: Path) -> UpstreamStore:
    return UpstreamStore("finetuned_dlrm", CHAIN, ArtifactStore(tmp_path))


def put(store: UpstreamStore, asset: str, day: str, base: str | None = None) -> Artifact:
    with store.store.publish(asset, day) as draft:
        (draft.path / "lineage.json").write_text(json.dumps({"base": base or day, "towers": "t" + (base or day)}))
    return draft.published


def test_a_full_training_starts_a_chain_and_a_later_one_a_new_chain(store: UpstreamStore) -> None:
    def parent(day: str) -> tuple[str, str]:
        artifact = parent_of(store, "finetuned_dlrm", "dlrm_model", day, base_of(store, day))
        return artifact.asset, artifact.partition

    put(store, "dlrm_model", "2025-03-05")
    assert parent("2025-03-06") == ("dlrm_model", "2025-03-05")
    put(store, "finetuned_dlrm", "2025-03-06", "2025-03-05")
    put(store, "finetuned_dlrm", "2025-03-07", "2025-03-05")
    assert parent("2025-03-08") == ("finetuned_dlrm", "2025-03-07")
    # A rebuilt day never starts from itself or from a later day.
    assert parent("2025-03-07") == ("finetuned_dlrm", "2025-03-06")
    assert parent("2025-03-06") == ("dlrm_model", "2025-03-05")
    # Fine-tunes of the same and of later days use other vocabularies.
    put(store, "dlrm_model", "2025-03-06")
    assert parent("2025-03-08") == ("dlrm_model", "2025-03-06")
    assert parent("2025-03-06") == ("dlrm_model", "2025-03-05")


def test_a_missing_full_training_raises_an_error(store: UpstreamStore) -> None:
    put(store, "dlrm_model", "2025-03-05")
    with pytest.raises(ActionableError, match="No full training exists before 2025-03-05"):
        base_of(store, "2025-03-05")


def test_an_undeclared_asset_cannot_be_read(store: UpstreamStore) -> None:
    for read in (store.get, store.find):
        with pytest.raises(LookupError, match="finetuned_dlrm reads raw_items, which is not a declared dependency"):
            read("raw_items", "2025-03-05")
    with pytest.raises(LookupError):
        store.partitions("raw_items")
    assert store.partitions("finetuned_dlrm") == []
