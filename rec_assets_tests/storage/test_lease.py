"""A lease excludes holders on other machines, and whoever lost it changes nothing any more."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.live_record import LIVE_BUNDLE, find_live, record_live
from rec_assets.common.errors import ActionableError
from rec_assets.serving.promotion.agent import Agent
from rec_assets.serving.promotion.protocol import Candidate
from rec_assets.settings import Settings
from rec_assets.storage.artifacts import lease
from rec_assets.storage.artifacts.bucket_store import BucketStore
from rec_assets.storage.artifacts.lease import held_lease
from rec_assets.storage.file_lock import LockHeldError
from rec_assets.storage.s3 import Bucket
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.serving.synthetic import make_bundle

KEY = "leases/work.json"
HOLD_AND_DIE = """
import os, sys
from rec_assets.storage.artifacts import lease
from rec_assets.storage.s3 import Bucket
lease.LIFETIME_S = 1.0
with lease.held_lease(Bucket(sys.argv[1]), sys.argv[2], 5, "Another"):
    os._exit(9)
"""


@pytest.fixture
def bucket(s3: S3) -> Bucket:
    return Bucket(f"s3://{BUCKET}/{uuid4().hex}")


def test_one_at_a_time_and_every_holder_gets_a_higher_token(bucket: Bucket) -> None:
    refused = pytest.raises(LockHeldError, match="Another has held the lease")
    with held_lease(bucket, KEY, 5, "Another") as first, refused, held_lease(bucket, KEY, 0, "Another"):
        pass
    with pytest.raises(ValueError, match="work failed"), held_lease(bucket, KEY, 0, "Another") as second:
        raise ValueError("work failed")
    with held_lease(bucket, KEY, 0, "Another") as third:
        assert first < second < third


def test_the_lease_of_a_killed_holder_ends_and_that_of_a_living_one_does_not(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = subprocess.run([sys.executable, "-c", HOLD_AND_DIE, bucket.url, KEY], check=False)
    assert done.returncode == 9
    monkeypatch.setattr(lease, "LIFETIME_S", 1.0)
    monkeypatch.setattr(lease, "RENEW_EVERY_S", 0.1)
    with (
        held_lease(bucket, KEY, 60, "Another"),
        pytest.raises(LockHeldError),
        held_lease(bucket, KEY, 2, "Another"),
    ):
        pass


def test_a_promotion_that_lost_its_lease_records_nothing(s3: S3, tiny_bundle: Bundle, tmp_path: Path) -> None:
    one, two = (BucketStore(tmp_path / home / "artifacts", f"s3://{BUCKET}/{tmp_path.name}") for home in ("one", "two"))
    other = make_bundle(tmp_path / "other", seed=5)
    first = record_live(one, tiny_bundle, None, None, "")
    with pytest.raises(ActionableError, match=r"live_bundle .* was published by another process"):
        record_live(two, other, None, None, "")
    stale = two.get(LIVE_BUNDLE).digest
    newer = record_live(one, other, None, first, stale)
    with pytest.raises(ActionableError, match="was published by another process"):
        record_live(two, tiny_bundle, None, first.model_copy(update={"bundle_id": "another"}), stale)
    assert find_live(one) == find_live(two) == newer


def test_an_agent_refuses_the_steps_of_a_promotion_that_lost_its_lease(tmp_path: Path) -> None:
    agent = Agent(Settings(home=tmp_path))
    with pytest.raises(ActionableError, match="has no version with bundle new"):
        agent.prepare(Candidate("model_bundle", "2025-03-14", "", "new", token=7))
    steps: list[Callable[[], None]] = [
        lambda: agent.prepare(Candidate("model_bundle", "2025-03-14", "", "old", token=6)),
        lambda: agent.commit("old", 6),
        lambda: agent.abort("new", 6),
    ]
    for step in steps:
        with pytest.raises(ActionableError, match="Promotion 6 has lost its lease: promotion 7"):
            step()
