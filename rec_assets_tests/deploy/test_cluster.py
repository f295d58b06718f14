"""Tests nodes and images, and scans all files of deploy/ for security problems."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rec_assets.orchestration.op_tags import NODE_LABEL, cpu_tags, gpu_tags
from rec_assets.settings import Settings
from rec_assets_tests.deploy.manifests import DEPLOY, problems_of, rendered
from rec_assets_tests.tools import require_tool

# Findings of checkov that are intended, with the reason.
INTENDED = {
    "CKV_K8S_9": "the worker has no port and gets no requests",
    "CKV_K8S_11": "no CPU limit, because throttling delays requests; only memory is limited",
    "CKV_K8S_15": "tags are versions and are never overwritten; a digest can be set",
    "CKV_K8S_35": "REC_* variables come from the environment; a secret's volume would be a second source",
    "CKV_K8S_43": "the values here are examples; deployments set a digest",
    "CKV_DOCKER_2": "the gpu image runs one step and ends",
    "CKV_SECRET_6": "the finding is the name of a Secret, not a secret",
    "CKV_AWS_18": "the platform configures the access logs of buckets",
}
KARPENTER = [one for one in yaml.safe_load_all((DEPLOY / "karpenter/nodes.yaml").read_text()) if one]


def test_karpenter_knows_every_field_of_the_node_pools() -> None:
    assert [one["kind"] for one in KARPENTER].count("NodePool") == 3
    assert problems_of(KARPENTER) == []


@pytest.mark.parametrize(
    ("profile", "pool", "tags"),
    [("cpu", "rec-cpu", cpu_tags(Settings())), ("gpu", "rec-gpu", gpu_tags(Settings()))],
)
def test_steps_find_the_nodes_that_are_made_for_them(profile: str, pool: str, tags: dict[str, Any]) -> None:
    template = next(one for one in KARPENTER if one["metadata"]["name"] == pool)["spec"]["template"]
    pod = tags["dagster-k8s/config"]["pod_spec_config"]
    assert template["metadata"]["labels"] == pod["node_selector"] == {NODE_LABEL: profile}
    tolerated = {(one["key"], one["effect"]) for one in pod["tolerations"]}
    assert {(one["key"], one["effect"]) for one in template["spec"]["taints"]} == tolerated


def test_nodes_have_the_role_and_tags_of_the_cluster_that_eksctl_makes() -> None:
    cluster = yaml.safe_load((DEPLOY / "eks/cluster.yaml").read_text())["metadata"]
    for one in KARPENTER:
        if one["kind"] == "EC2NodeClass":
            assert one["spec"]["role"] == f"eksctl-KarpenterNodeRole-{cluster['name']}"
            tags = {"karpenter.sh/discovery": cluster["tags"]["karpenter.sh/discovery"]}
            assert one["spec"]["subnetSelectorTerms"] == [{"tags": tags}]


def test_the_accounts_of_pods_are_those_that_the_cluster_gives_roles() -> None:
    cluster = yaml.safe_load((DEPLOY / "eks/cluster.yaml").read_text())
    given = {one["serviceAccountName"] for one in cluster["iam"]["podIdentityAssociations"]}
    triton = next(one for one in rendered("triton", {}) if one["kind"] == "Deployment")
    used = {triton["spec"]["template"]["spec"]["serviceAccountName"], Settings().pod_service_account}
    assert given == used


def test_as_many_gpus_as_trainings_may_run_at_once() -> None:
    values = yaml.safe_load((DEPLOY / "dagster/values.yaml").read_text())
    pool = next(one for one in KARPENTER if one["metadata"]["name"] == "rec-gpu")
    limit = values["additionalInstanceConfig"]["concurrency"]["pools"]["default_limit"]
    assert pool["spec"]["limits"]["nvidia.com/gpu"] == str(limit)


def test_pods_are_one_size_in_staging_and_another_in_production_without_new_code() -> None:
    staging = yaml.safe_load((DEPLOY / "dagster/staging.yaml").read_text())
    variables = staging["dagster-user-deployments"]["deployments"][0]["env"]
    given = {name.removeprefix("REC_").lower(): value for name, value in variables.items() if name.startswith("REC_")}
    pod = gpu_tags(Settings.model_validate(given))["dagster-k8s/config"]
    assert "nvidia.com/gpu" not in pod["container_config"]["resources"]["limits"]
    assert pod["container_config"]["resources"]["limits"]["memory"] == "8Gi"
    assert pod["pod_spec_config"]["node_selector"] == {NODE_LABEL: "cpu"}


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("docker/*.Dockerfile")), ids=lambda file: file.stem)
def test_dockerfiles_are_as_hadolint_wants_them(file: Path) -> None:
    done = subprocess.run([require_tool("hadolint"), str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_security_scanner_finds_nothing_that_is_not_meant(tmp_path: Path) -> None:
    for chart in ("triton", "services"):
        manifests = rendered(chart, {"storefront": {"enabled": True}} if chart == "services" else {})
        (tmp_path / f"{chart}.yaml").write_text(yaml.safe_dump_all(manifests))
    found: dict[str, set[str]] = {}
    for folder, frameworks in ((tmp_path, ["kubernetes"]), (DEPLOY, ["dockerfile", "secrets", "cloudformation"])):
        command = [require_tool("checkov"), "--directory", str(folder), "--framework", *frameworks]
        done = subprocess.run(
            [*command, "--output", "json", "--skip-download", "--quiet"], capture_output=True, text=True, check=False
        )
        reports = json.loads(done.stdout)
        for report in reports if isinstance(reports, list) else [reports]:
            assert report["summary"]["parsing_errors"] == 0
            for one in report["results"]["failed_checks"]:
                found.setdefault(one["check_id"], set()).add(f"{one['resource']}: {one['check_name']}")
    assert {check: resources for check, resources in found.items() if check not in INTENDED} == {}
    assert set(INTENDED) - set(found) == set(), "exceptions that are no longer needed"
