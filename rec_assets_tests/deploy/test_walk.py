"""Walks the runbook of deploy/ in order, from an empty store to a rollback on three replicas.

Every part is real: the bucket, Valkey, Tritons with agents, the worker, and Dagster's launcher with pods as processes.
"""

import json
import shutil
import signal
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import polars as pl
import pytest
from dagster import DagsterInstance

from rec_assets.bundles.bundle import PART_FILES, Bundle, write_bundle
from rec_assets.bundles.gate_results import GATES, Gate, save_gate_report
from rec_assets.bundles.live_record import find_live
from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client
from rec_assets.serving.promotion.promote import promote
from rec_assets.serving.triton import model_config
from rec_assets.settings import Settings
from rec_assets.storage.artifact_store import ArtifactStore
from rec_assets.storage.stores import open_store
from rec_assets_tests.deploy.launching import launch
from rec_assets_tests.kubernetes_api import running_cluster
from rec_assets_tests.pipeline import Pipeline, materialize, settings_from
from rec_assets_tests.realtime.test_crashes import worker_process
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.serving.pods import KEY, Pod, Pods, follow

# The fixture of the pipeline has its own minutes, and this test may be the one that sets it up.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600, func_only=True)]
CLICKS = 30


def copy_artifact(pipeline: Pipeline, store: ArtifactStore, asset: str, partition: str) -> None:
    """Publishes an artifact of the session's pipeline, in place of a second training."""
    source = pipeline.store.get(asset, partition)
    with store.publish(asset, partition) as draft:
        shutil.copytree(source.path, draft.path, dirs_exist_ok=True)


def passed_its_gates(store: ArtifactStore, bundle_id: str) -> None:
    save_gate_report(store, bundle_id, [Gate(name=name, passed=True, message="fine") for name in GATES])


def add_day_after(store: ArtifactStore, bundle: Bundle) -> Bundle:
    """Publishes the parts of a bundle as the fine-tune of the next day."""
    day = bundle.manifest.as_of + timedelta(days=1)
    facts = bundle.manifest.model_dump(include={"metrics", "source", "made_from"})
    parts = {part: bundle.path / part for part in PART_FILES}
    with store.publish("finetuned_bundle", day.isoformat()) as draft:
        write_bundle(draft.path, parts, as_of=day, parent=bundle.bundle_id, config=bundle.manifest.config, **facts)
    made = Bundle.open(store.get("finetuned_bundle", day.isoformat()).path)
    passed_its_gates(store, made.bundle_id)
    return made


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

        # A bundle is made, and a run with a step pod promotes it.
        for raw in ("id_codes", "raw_items", "raw_users"):
            copy_artifact(pipeline, store, raw, "all")
        copy_artifact(pipeline, store, "model_bundle", pipeline.day)
        first = Bundle.open(store.get("model_bundle", pipeline.day).path)
        passed_its_gates(store, first.bundle_id)
        promote_in_pods(cluster.operator([one, two]), s3, tmp_path)
        live = find_live(store)
        assert live is not None and live.bundle_id == first.bundle_id
        follow([one, two])
        assert [pod.answered_by() for pod in (one, two)] == [first.bundle_id] * 2

        clicks_reach_the_training_data(pipeline, cluster, one, s3)

        # A second bundle. A pod joins between the two steps, and another dies before it switches: all or none.
        second = add_day_after(store, first)
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


def clicks_reach_the_training_data(pipeline: Pipeline, cluster: Pods, pod: Pod, s3: S3) -> None:
    """Records clicks on recommended items; the asset of the day has them after the worker's pod is gone."""
    worker = cluster.settings("worker", store_read_only=True, log_interval_s=0)
    midnight = int(pl.Series([pipeline.settings.as_of]).dt.epoch("s")[0])
    client = Client(pod.agent.settings)
    clicked = [(user, int(client.recommend(user).item_ids[0]), midnight + user) for user in range(1, CLICKS + 1)]
    with worker_process(worker) as process:
        sent = [entry for user, item, at in clicked for entry in client.record(user, [item], at)]
        assert client.events.wait(sent, 60)
        process.send_signal(signal.SIGKILL)
    step = {"REC_HOME": str(cluster.folder / "behavior"), "REC_ARTIFACTS": cluster.artifacts, **s3.environment()}
    with settings_from({**pipeline.environment, **step}) as settings, DagsterInstance.ephemeral() as instance:
        assert materialize(["behavioral_updates"], instance=instance, partition_key=pipeline.day).success
        rows = pl.read_parquet(open_store(settings).get("behavioral_updates", pipeline.day) / "updates.parquet")
    assert rows.select("user_id", "item_id", "timestamp").sort("user_id").rows() == clicked
