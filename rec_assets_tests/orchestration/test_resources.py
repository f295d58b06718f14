"""Assets with artifacts in a bucket: other machines read them, and errors of S3 appear on the run."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from rec_assets.orchestration.assets.models.training_state import UNFINISHED, TrainingState
from rec_assets.orchestration.assets.publishing import publish
from rec_assets.orchestration.resources import ArtifactIOManager, Artifacts
from rec_assets.settings import get_settings
from rec_assets.storage.artifacts.artifact import Artifact
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
        list({rows, copied, asset}),
        selection=[asset],
        partition_key="2025-03-04",
        resources=resources,
        raise_on_error=False,
    )


def test_steps_on_different_machines_read_artifacts_of_earlier_steps(s3: S3, tmp_path: Path) -> None:
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
    message = str(failed.step_failure_data.error)
    assert "SignatureDoesNotMatch" in message and "correct the AWS credentials" in message


class Trainer:
    """An asset that writes its number of epochs to its state. Its first attempt fails after two epochs."""

    def __init__(self) -> None:
        self.began_after: list[int] = []

        @dg.asset(partitions_def=DAILY)
        def model(
            context: dg.AssetExecutionContext, artifacts: Artifacts, rows: dict[str, Artifact]
        ) -> dg.MaterializeResult[None]:
            state = TrainingState.of(context, artifacts.store(), get_settings(), *rows.values())
            epoch = int(state.file.read_text()) if state.file.exists() else 0
            self.began_after.append(epoch)
            for _ in range(2):
                epoch += 1
                state.file.parent.mkdir(parents=True, exist_ok=True)
                state.file.write_text(str(epoch))
                state.report(f"epoch {epoch}")
            if epoch < 4:
                raise RuntimeError("the pod is lost")
            result = publish(context, artifacts, lambda out, _: {"bytes": (out / "model").write_text(str(epoch))})
            state.forget()
            return result

        self.asset = model


def test_a_training_resumes_from_the_state_of_a_lost_pod(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, trainer = f"s3://{BUCKET}/{uuid4().hex}", Trainer()
    for pod in ("one", "two"):
        monkeypatch.setenv("REC_HOME", str(tmp_path / pod / "home"))
        get_settings.cache_clear()
        run(rows, tmp_path / pod, url)
        run(trainer.asset, tmp_path / pod, url)
    get_settings.cache_clear()
    assert trainer.began_after == [0, 2]
    store = Artifacts(root=str(tmp_path / "four"), remote=url).store()
    assert (store.get("model", "2025-03-04") / "model").read_text() == "4"
    assert UNFINISHED not in store.assets()
