"""Tests that old days are deleted, except days that a served bundle depends on."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration import jobs
from rec_assets.orchestration.resources import Artifacts
from rec_assets.serving.promotion import retention
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore

START = date(2025, 1, 1)
DAYS = [(START + timedelta(days=n)).isoformat() for n in range(40)]
KEPT = 20
DAILY = ("raw_interactions", "joined_interactions", "finetuned_dlrm", "next_day_evaluation")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, keep_days=KEPT)


@pytest.fixture
def store(settings: Settings) -> ArtifactStore:
    """Returns a store with forty days of some assets, a full training every ten days, and an unpartitioned asset."""
    store = ArtifactStore(settings.artifacts_dir)
    for asset, days in {**dict.fromkeys(DAILY, DAYS), "dlrm_model": DAYS[9::10], "raw_items": ["all"]}.items():
        for day in days:
            with store.publish(asset, day) as draft:
                (draft.path / "file").write_text(f"{asset} {day}")
    return store


def test_old_artifacts_that_can_be_rebuilt_are_deleted(store: ArtifactStore, settings: Settings) -> None:
    expired = retention.expired_partitions(store, settings)
    deleted = retention.delete_expired(store, settings)
    assert deleted == {"joined_interactions": 20, "finetuned_dlrm": 20, "dlrm_model": 2}
    assert deleted.total() == len(expired)
    assert store.partitions("raw_interactions") == store.partitions("next_day_evaluation") == DAYS
    assert store.partitions("joined_interactions") == store.partitions("finetuned_dlrm") == DAYS[-KEPT:]
    assert store.partitions("dlrm_model") == [DAYS[29], DAYS[39]]
    assert store.find("raw_items") is not None
    assert retention.delete_expired(store, settings).total() == 0
    with pytest.raises(ActionableError, match=f"Materialize joined_interactions for {DAYS[0]}"):
        store.get("joined_interactions", DAYS[0])


def test_the_newest_full_training_stays_however_old(store: ArtifactStore, settings: Settings) -> None:
    for day in (DAYS[29], DAYS[39]):
        store.remove("dlrm_model", day)
    retention.delete_expired(store, settings)
    assert store.partitions("dlrm_model") == [DAYS[19]]
    assert DAYS[19] in store.partitions("joined_interactions") and DAYS[18] not in store.partitions("finetuned_dlrm")


def test_without_a_number_of_days_nothing_is_deleted(store: ArtifactStore, settings: Settings) -> None:
    assert retention.expired_partitions(store, settings.model_copy(update={"keep_days": 0})) == []


def test_fewer_days_than_a_training_reads_are_refused(store: ArtifactStore, settings: Settings) -> None:
    with pytest.raises(ActionableError, match="reads 13 days"):
        retention.delete_expired(store, settings.model_copy(update={"keep_days": 12}))
    assert store.partitions("joined_interactions") == DAYS


def test_the_job_does_what_the_command_does(store: ArtifactStore, settings: Settings) -> None:
    resources = {"artifacts": Artifacts.of(settings), "settings": settings}
    assert jobs.prune_job(settings).execute_in_process(resources=resources).success
    assert store.partitions("joined_interactions") == DAYS[-KEPT:]
