import json
from pathlib import Path

import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.storage.artifact_store import Artifact, ArtifactStore


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path)


def put(store: ArtifactStore, asset: str, day: str, base: str | None = None) -> Artifact:
    with store.publish(asset, day) as draft:
        (draft.path / "lineage.json").write_text(json.dumps({"base": base or day, "towers": "t" + (base or day)}))
    return draft.published


def test_a_full_training_starts_a_chain_and_a_later_one_a_new_chain(store: ArtifactStore) -> None:
    from rec_assets.orchestration.assets.upstream import base_of, parent_of

    def parent(day: str) -> tuple[str, str]:
        found = parent_of(store, "finetuned_dlrm", "dlrm_model", day, base_of(store, day))
        return found.asset, found.partition

    put(store, "dlrm_model", "2025-03-05")
    assert parent("2025-03-06") == ("dlrm_model", "2025-03-05")
    put(store, "finetuned_dlrm", "2025-03-06", "2025-03-05")
    put(store, "finetuned_dlrm", "2025-03-07", "2025-03-05")
    assert parent("2025-03-08") == ("finetuned_dlrm", "2025-03-07")
    # A day again, or one in the middle, never goes on from itself or from what came later.
    assert parent("2025-03-07") == ("finetuned_dlrm", "2025-03-06")
    assert parent("2025-03-06") == ("dlrm_model", "2025-03-05")
    # Fine-tunes of the same and of later days were made for other vocabularies.
    put(store, "dlrm_model", "2025-03-06")
    assert parent("2025-03-08") == ("dlrm_model", "2025-03-06")
    assert parent("2025-03-06") == ("dlrm_model", "2025-03-05")


def test_without_a_full_training_it_says_what_to_do(store: ArtifactStore) -> None:
    from rec_assets.orchestration.assets.upstream import base_of

    put(store, "dlrm_model", "2025-03-05")
    with pytest.raises(ActionableError, match="no full training before 2025-03-05"):
        base_of(store, "2025-03-05")
