"""A run on Kubernetes with Dagster's launcher: each step is its own pod, and the artifacts are in a bucket."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from rec_assets.storage.artifacts.bucket_store import BucketStore
from rec_assets_tests.deploy.launching import CPU_IMAGE, launch
from rec_assets_tests.kubernetes_api import Cluster, running_cluster
from rec_assets_tests.s3 import BUCKET, S3

GPU_IMAGE = "registry.example/rec-assets-gpu:1"
RUN = "7f1ac3be-4b0a-4c53-9e0c-2b3f7d0c8a11"
CPU_STEPS, GPU_STEPS = ["id_codes", "raw_items", "raw_users"], ["image_embeddings", "text_embeddings"]
LOST = "raw_users"  # the step whose first pod is killed

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Launched:
    """Results of the run: the cluster, and the store of its artifacts."""

    cluster: Cluster
    store: BucketStore

    def pod(self, step: str) -> dict[str, Any]:
        """Returns the spec of the pod that ran a step."""
        return next(spec for spec in self.cluster.pod_specs() if _step(spec) == step)


def _step(spec: dict[str, Any]) -> str:
    arguments = spec["containers"][0]["args"]
    if arguments[2] == "execute_run":
        return "run"
    named = {one["name"]: one.get("value", "") for one in spec["containers"][0]["env"]}
    return named["DAGSTER_RUN_STEP_KEY"]


@pytest.fixture(scope="module")
def launched(s3_server: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Launched]:
    home = tmp_path_factory.mktemp("kubernetes")
    settings = {
        "REC_EXECUTOR": "k8s",
        "REC_HOME": str(home / "rec"),
        "REC_ARTIFACTS": f"s3://{BUCKET}/kubernetes",
        "REC_RETAIL_ITEMS": "30",
        "REC_RETAIL_USERS": "40",
        "REC_RETAIL_INTERACTIONS_PER_DAY": "100",
        "REC_POD_GPU_IMAGE": GPU_IMAGE,
        "REC_POD_GPU_MEMORY": "30Gi",
        **s3_server.environment(),
    }
    with running_cluster(home) as (cluster, kubeconfig):
        cluster.loses.add(LOST)
        launch("catalog", RUN, home, settings, cluster, kubeconfig)
        yield Launched(cluster, BucketStore(home / "reader", settings["REC_ARTIFACTS"]))


def test_the_run_and_each_step_are_pods_of_their_own_and_a_step_whose_pod_is_lost_gets_another(
    launched: Launched,
) -> None:
    phases = sorted((_step(pod["spec"]), pod["status"]["phase"]) for pod in launched.cluster.pods.values())
    ended = [(step, "Succeeded") for step in ("run", *CPU_STEPS, *GPU_STEPS)]
    assert phases == sorted([*ended, (LOST, "Failed")]), json.dumps(launched.cluster.logs)[-3000:]


def test_the_steps_left_their_artifacts_in_the_bucket(launched: Launched, s3: S3) -> None:
    for asset in [*CPU_STEPS, *GPU_STEPS]:
        assert any(launched.store.get(asset).path.iterdir())


@pytest.mark.parametrize("step", GPU_STEPS)
def test_gpu_steps_get_a_gpu_its_nodes_and_image(launched: Launched, step: str) -> None:
    pod = launched.pod(step)
    container = pod["containers"][0]
    assert container["image"] == GPU_IMAGE
    assert container["resources"]["limits"] == {
        "memory": "30Gi",
        "ephemeral-storage": "60Gi",
        "nvidia.com/gpu": "1",
    }
    assert pod["nodeSelector"] == {"rec-assets.io/profile": "gpu"}
    tolerated = [(one["key"], one.get("value")) for one in pod["tolerations"]]
    assert ("rec-assets.io/profile", "gpu") in tolerated and ("nvidia.com/gpu", None) in tolerated
    assert {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "8Gi"}} in pod["volumes"]
    assert {"name": "shm", "mountPath": "/dev/shm"} in container["volumeMounts"]


@pytest.mark.parametrize("step", CPU_STEPS)
def test_cpu_steps_get_neither_gpu_nor_its_nodes(launched: Launched, step: str) -> None:
    pod = launched.pod(step)
    container = pod["containers"][0]
    assert container["image"] == CPU_IMAGE
    assert container["resources"]["requests"] == {"cpu": "2", "memory": "8Gi", "ephemeral-storage": "20Gi"}
    assert container["resources"]["limits"] == {"memory": "8Gi", "ephemeral-storage": "20Gi"}
    assert pod["nodeSelector"] == {"rec-assets.io/profile": "cpu"}
    assert {(one["key"], one.get("value")) for one in pod["tolerations"]} == {("rec-assets.io/profile", "cpu")}


def test_every_pod_has_the_role_and_may_not_gain_rights(launched: Launched) -> None:
    for step in [*CPU_STEPS, *GPU_STEPS]:
        pod = launched.pod(step)
        assert pod["serviceAccountName"] == "rec-assets"
        assert pod["containers"][0]["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
        assert pod["securityContext"]["runAsNonRoot"]
    run = launched.pod("run")
    assert run["serviceAccountName"] == "rec-assets"
    assert run["containers"][0]["resources"]["limits"] == {"memory": "2Gi", "ephemeral-storage": "1Gi"}
