"""Walks the runbook of deploy/ in order, from an empty store and an upgrade to a rollback on four replicas.

Every part is real: the bucket, Valkey, Tritons with agents, the worker, and Dagster's launcher with pods as processes.
"""

import json
import signal
from contextlib import ExitStack
from datetime import date, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import polars as pl
import pytest
from dagster import DagsterInstance

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.gate_results import GATES, Gate, save_gate_report
from rec_assets.bundles.live_record import find_live
from rec_assets.bundles.provenance import Lineage
from rec_assets.common.errors import ActionableError
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.features.columns import TIMESTAMP
from rec_assets.serving.client import Client
from rec_assets.serving.promotion.promote import promote
from rec_assets.serving.triton import model_config
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.stores import open_store
from rec_assets_tests.deploy.earlier_release import copy_artifact, fill
from rec_assets_tests.deploy.launching import launch
from rec_assets_tests.kubernetes_api import running_cluster
from rec_assets_tests.pipeline import Pipeline, materialize, settings_from
from rec_assets_tests.realtime.test_crashes import worker_process
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.serving.pods import KEY, Pod, Pods, follow

# The fixture of the pipeline has its own minutes, and this test may be the one that sets it up.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600, func_only=True)]
CLICKS = 50
Rows = list[tuple[int, int, int]]  # user, item, unix seconds


def passed_its_gates(store: ArtifactStore, bundle_id: str) -> None:
    save_gate_report(store, bundle_id, [Gate(name=name, passed=True, message="fine") for name in GATES])


def quietly(line: str) -> None:
    """Ignores a line of the report."""


def test_the_runbook_leads_from_an_empty_store_to_a_rollback(
    pipeline: Pipeline, s3: S3, valkey: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Leaves only the topology with one process: the other one has 14 more processes per version and replica.
    monkeypatch.delitem(model_config.TOPOLOGIES, model_config.ENSEMBLE)
    monkeypatch.setattr(model_config, "LIVE", (model_config.RECOMMENDER,))
    cluster = Pods(tmp_path, f"s3://{BUCKET}/{tmp_path.name}", valkey)
    store = open_store(cluster.settings("operator"))
    assert find_live(store) is None and store.assets() == []

    with ExitStack() as ends:
        # The pods are there before anything else is.
        one, two = (ends.enter_context(cluster.running(name)) for name in ("one", "two"))
        assert [one.agent.follow(), two.agent.follow()] == ["no bundle was promoted yet"] * 2

        # The earlier release made a bundle. After the upgrade, a run with a step pod promotes it.
        first = fill(store, pipeline.store, pipeline.day)
        promote_in_pods(cluster.operator([one, two]), s3, tmp_path)
        live = find_live(store)
        assert live is not None and live.bundle_id == first.bundle_id
        follow([one, two])
        assert [pod.answered_by() for pod in (one, two)] == [first.bundle_id] * 2

        # Clicks of the next day reach its fine-tune, which is the second bundle.
        day = pipeline.settings.as_of + timedelta(days=1)
        clicked = record_clicks(day, cluster, one)
        step = {"REC_HOME": str(tmp_path / "finetune"), "REC_ARTIFACTS": cluster.artifacts, "REC_REPLAY_RATIO": "0"}
        with settings_from({**pipeline.environment, **step, **s3.environment()}) as settings:
            fine_tune(pipeline.store, open_store(settings), pipeline.day, day.isoformat(), clicked)
        learned_from(store, day.isoformat(), clicked)
        second = Bundle.open(store.get("finetuned_bundle", day.isoformat()).path)
        passed_its_gates(store, second.bundle_id)

        # A pod joins between the two steps, and another dies before it switches: all or none.
        three = ends.enter_context(cluster.running("three"))
        follow([three])
        joined: list[Pod] = []
        one.agent.after_prepare = lambda: joined.append(ends.enter_context(cluster.running("four")))
        three.agent.before_commit = three.server.stop
        with pytest.raises(ActionableError, match=rf"is not live on any replica: .*{three.address}/commit"):
            promote(store, cluster.operator([one, two, three]), second.bundle_id, quietly)
        assert [pod.answered_by() for pod in (one, two)] == [first.bundle_id] * 2

        # The same promotion again, as the sensor requests it. The dead pod and the new one are not ready, and follow.
        pods = [one, two, three, *joined]
        one.agent.after_prepare = three.agent.before_commit = lambda: None
        promote(store, cluster.operator(pods), second.bundle_id, quietly)
        assert [pod.answered_by() for pod in (one, two)] == [second.bundle_id] * 2
        three.server.start()
        follow(pods)
        assert [pod.answered_by() for pod in pods] == [second.bundle_id] * 4
        assert [pod.probe("/ready") for pod in pods] == [200] * 4

        promote(store, cluster.operator(pods), "previous", quietly)
        assert [pod.answered_by() for pod in pods] == [first.bundle_id] * 4


def promote_in_pods(operator: Settings, s3: S3, folder: Path) -> None:
    """Runs the job `promote` in pods, each with an empty disk."""
    settings = {
        "REC_EXECUTOR": "k8s",
        "REC_HOME": str(folder / "step"),
        "REC_ARTIFACTS": operator.artifacts,
        "REC_TRITON_REPLICAS": operator.triton_replicas,
        "REC_AGENT_PORT": str(operator.agent_port),
        "REC_TRITON_CONTROL_KEY": KEY,
        **s3.environment(),
    }
    home = folder / "dagster"
    home.mkdir()
    with running_cluster(home) as (kubernetes, kubeconfig):
        launch("promote", str(uuid4()), home, settings, kubernetes, kubeconfig)
    assert {pod["status"]["phase"] for pod in kubernetes.pods.values()} == {"Succeeded"}, json.dumps(kubernetes.logs)
    assert len(kubernetes.pods) == 2


def record_clicks(day: date, cluster: Pods, pod: Pod) -> Rows:
    """Records clicks on recommended items; the worker's pod is killed after the last one. Returns them by user."""
    worker = cluster.settings("worker", store_read_only=True, log_interval_s=0)
    midnight = int(pl.Series([day]).dt.epoch("s")[0])
    client = Client(pod.agent.settings)
    clicked = [(user, int(client.recommend(user).item_ids[0]), midnight + user) for user in range(1, CLICKS + 1)]
    with worker_process(worker) as process:
        sent = [entry for user, item, at in clicked for entry in client.record(user, [item], at)]
        assert client.events.wait(sent, 60)
        process.send_signal(signal.SIGKILL)
    return clicked


def fine_tune(source: ArtifactStore, store: ArtifactStore, full: str, day: str, clicked: Rows) -> None:
    """Fine-tunes on a day that has only the clicks: the shop's own rows of the day are empty, and nothing is replayed.

    The full training is of an earlier release. An artifact that cannot be used is refused, and the message names the
    next step. The store `source` has the full training by the present code.
    """
    with store.publish("raw_interactions", day) as draft:
        rows = pl.read_parquet(source.get("raw_interactions", full) / "interactions.parquet")
        rows.head(0).write_parquet(draft.path / "interactions.parquet")
    daily = ["behavioral_updates", "joined_interactions", "masked_train_set", "replay_set"]
    models = ["finetune_set", "daily_item_index", "finetuned_query_tower", "finetuned_dlrm", "finetune_evaluation"]
    with DagsterInstance.ephemeral() as instance:
        assert "Materialize nvt_workflows again" in refusal([*daily, "finetune_set"], instance, day)
        rows = pl.read_parquet(store.get("behavioral_updates", day) / "updates.parquet")
        assert rows.select("user_id", "item_id", "timestamp").sort("user_id").rows() == clicked
        copy_artifact(source, store, "nvt_workflows", full)
        assert "Materialize the job full_training" in refusal([*models, "finetuned_bundle"], instance, day)
        copy_artifact(source, store, "model_bundle", full)
        assert materialize(["finetuned_bundle"], instance=instance, partition_key=day).success


def refusal(assets: list[str], instance: DagsterInstance, day: str) -> str:
    """Materializes assets of which the last one fails; returns the failure."""
    result = materialize(assets, instance=instance, partition_key=day, raise_on_error=False)
    (failure,) = (event for event in result.all_events if event.is_step_failure)
    assert failure.step_key == assets[-1]
    return str(failure.event_specific_data)


def learned_from(store: ArtifactStore, day: str, clicked: Rows) -> None:
    """Checks that the clicks of users who are not held out are all rows of the fine-tune, and changed both models."""
    data = TrainingSet.load(store.get("finetune_set", day).path)
    times = {at: user for user, _, at in clicked}
    held_out = set(data.validation.user_ids.tolist())
    trained = [times[at] for at in data.rows[TIMESTAMP].tolist() if at in times]
    assert held_out and sorted(trained) == sorted(set(times.values()) - held_out)
    assert len(trained) == len(data.rows[TIMESTAMP])
    for full, finetuned in (("two_tower_model", "finetuned_query_tower"), ("dlrm_model", "finetuned_dlrm")):
        base = Lineage.read(store.get(finetuned, day).path).base
        before, after = (np.load(store.get(*one) / "weights.npz") for one in ((full, base), (finetuned, day)))
        assert any(not np.array_equal(before[name], after[name]) for name in before.files), finetuned
