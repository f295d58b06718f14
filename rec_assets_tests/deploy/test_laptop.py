"""The path of a laptop with Docker: everything is valid, and every pod finds a node of deploy/kind."""

import pytest
import yaml

from rec_assets.settings import Settings
from rec_assets_tests.deploy.installation import Installation, install
from rec_assets_tests.deploy.manifests import DEPLOY, Manifest, problems_of
from rec_assets_tests.deploy.pods import deployed, run, steps

STORES = [one for one in yaml.safe_load_all((DEPLOY / "kind/stores.yaml").read_text()) if one]


@pytest.fixture(scope="module")
def laptop(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install("kind", tmp_path_factory.mktemp("kind"))


def test_only_the_projects_charts_and_dagster_are_installed(laptop: Installation) -> None:
    assert laptop.releases == ["rec-platform", "dagster", "rec-triton", "rec-services"]


def test_every_manifest_is_strictly_valid(laptop: Installation) -> None:
    assert problems_of([*STORES, *(one for manifests in laptop.manifests.values() for one in manifests)]) == []


def test_every_variable_is_a_setting_and_names_a_store_that_runs(laptop: Installation) -> None:
    services = {
        f"{one['metadata']['name']}.{one['metadata']['namespace']}.svc.cluster.local:{port['port']}"
        for one in STORES
        if one["kind"] == "Service"
        for port in one["spec"]["ports"]
    }
    for settings in laptop.settings.values():
        ours = {name: value for name, value in settings.items() if name.startswith("REC_")}
        read = Settings.model_validate({name.removeprefix("REC_").lower(): value for name, value in ours.items()})
        assert f"{read.valkey_host}:{read.valkey_port}" in services and not read.valkey_tls
        assert settings["AWS_ENDPOINT_URL_S3"].removeprefix("http://") in services
        assert read.artifacts == "s3://rec-artifacts/artifacts"
    assert f"{laptop.merged('dagster')['postgresql']['postgresqlHost']}:5432" in services


def test_every_pod_finds_a_node(laptop: Installation) -> None:
    nodes = yaml.safe_load((DEPLOY / "kind/cluster.yaml").read_text())["nodes"]
    pods: list[Manifest] = [pod for _, _, pod in deployed(laptop)] + [run(laptop), *steps(laptop).values()]
    for pod in pods:
        wanted = pod.get("nodeSelector", {}).items()
        assert any(wanted <= node.get("labels", {}).items() for node in nodes if node["role"] == "worker")
