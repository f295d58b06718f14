"""Tests nodes and images, and scans all files of deploy/ for security problems."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from rec_assets_tests.deploy.manifests import DEPLOY, Manifest, problems_of, rendered
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
}
PLATFORM: Manifest = {"cluster": "rec-test", "instanceProfile": "rec-test-node", "vpc": "10.40.0.0/16"}
CHARTS: dict[str, Manifest] = {
    "triton": {},
    "services": {"storefront": {"enabled": True}, "load": {"enabled": True}},
    "platform": PLATFORM,
}


def test_karpenter_knows_every_field_of_the_node_pools() -> None:
    nodes = [one for one in rendered("platform", PLATFORM) if one["kind"] in ("NodePool", "EC2NodeClass")]
    assert [one["kind"] for one in nodes].count("NodePool") == 3
    assert problems_of(nodes) == []


def test_nodes_find_the_subnets_the_group_and_the_profile_of_their_cluster() -> None:
    for one in rendered("platform", PLATFORM):
        if one["kind"] == "EC2NodeClass":
            assert one["spec"]["instanceProfile"] == PLATFORM["instanceProfile"]
            assert one["spec"]["subnetSelectorTerms"] == [{"tags": {"karpenter.sh/discovery": "rec-test"}}]
            assert one["spec"]["securityGroupSelectorTerms"] == [{"tags": {"aws:eks:cluster-name": "rec-test"}}]


def test_as_many_gpus_as_trainings_may_run_at_once() -> None:
    values = yaml.safe_load((DEPLOY / "values/dagster.yaml").read_text())
    nodes = rendered("platform", PLATFORM)
    pools = {one["metadata"]["name"]: one for one in nodes if one["kind"] == "NodePool"}
    limit = values["concurrency"]["pools"]["defaultLimit"]
    assert pools["rec-gpu"]["spec"]["limits"]["nvidia.com/gpu"] == str(limit)


@pytest.mark.parametrize("file", sorted(DEPLOY.glob("docker/*.Dockerfile")), ids=lambda file: file.stem)
def test_dockerfiles_are_as_hadolint_wants_them(file: Path) -> None:
    done = subprocess.run([require_tool("hadolint"), str(file)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_a_security_scanner_finds_nothing_that_is_not_meant(tmp_path: Path) -> None:
    for chart, values in CHARTS.items():
        manifests = rendered(chart, values)
        (tmp_path / f"{chart}.yaml").write_text(yaml.safe_dump_all(manifests))
    found: dict[str, set[str]] = {}
    for folder, frameworks in ((tmp_path, ["kubernetes"]), (DEPLOY, ["dockerfile", "secrets"])):
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
