"""Assets over a bucket: what they publish reaches assets on other machines, and what S3 refuses is on the run."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from rec_assets.assets.publishing import publish
from rec_assets.resources import ArtifactIOManager, Artifacts
from rec_assets.storage import Artifact
from rec_assets_tests.s3 import BUCKET, S3

DAILY = dg.DailyPartitionsDefinition(start_date="2025-03-03", end_date="2025-03-06")


@dg.asset(partitions_def=DAILY)
def rows(context: dg.AssetExecutionContext, artifacts: Artifacts) -> dg.MaterializeResult[None]:
    def write(out: Path, day: str) -> dict[str, Any]:
        (out / "rows.txt").write_text(day)
        return {}

    return publish(context, artifacts, write)


@dg.asset(partitions_def=DAILY)
def copied(
    context: dg.AssetExecutionContext, artifacts: Artifacts, rows: dict[str, Artifact]
) -> dg.MaterializeResult[None]:
    def write(out: Path, day: str) -> dict[str, Any]:
        (out / "copy.txt").write_text((rows[day] / "rows.txt").read_text())
        return {}

    return publish(context, artifacts, write)


def run(asset: dg.AssetsDefinition, machine: Path, url: str) -> dg.ExecuteInProcessResult:
    artifacts = Artifacts(root=str(machine), remote=url)
    resources = {"artifacts": artifacts, "io_manager": ArtifactIOManager(artifacts=artifacts)}
    return dg.materialize(
        [rows, copied], selection=[asset], partition_key="2025-03-04", resources=resources, raise_on_error=False
    )


def test_each_step_on_a_machine_of_its_own_finds_what_the_one_before_published(s3: S3, tmp_path: Path) -> None:
    url = f"s3://{BUCKET}/{uuid4().hex}"
    assert run(rows, tmp_path / "one", url).success
    assert run(copied, tmp_path / "two", url).success
    store = Artifacts(root=str(tmp_path / "three"), remote=url).store()
    assert (store.get("copied", "2025-03-04") / "copy.txt").read_text() == "2025-03-04"


@pytest.mark.parametrize("asset", [rows, copied], ids=["writing", "reading"])
def test_bad_credentials_are_on_the_run_with_what_to_do(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asset: dg.AssetsDefinition
) -> None:
    url = f"s3://{BUCKET}/{uuid4().hex}"
    assert run(rows, tmp_path / "one", url).success
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    result = run(asset, tmp_path / "two", url)
    assert not result.success
    (failed,) = result.filter_events(lambda event: event.is_step_failure)
    told = str(failed.step_failure_data.error)
    assert "SignatureDoesNotMatch" in told and "correct the AWS credentials" in told
