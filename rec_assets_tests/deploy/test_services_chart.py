"""Renders the chart of the services: the storefront, the API, the load test and the worker."""

import os
import subprocess
from pathlib import Path

import pytest

from rec_assets.common.http.server import LAST_REQUESTS_S
from rec_assets.realtime.worker import alive_file
from rec_assets.serving.api.keys import OPEN_PATHS
from rec_assets.settings import Settings
from rec_assets_tests.deploy.manifests import Manifest, of_kind, rendered


def test_the_storefront_listens_where_its_probes_and_its_service_reach_it() -> None:
    (deployment,) = (
        one
        for one in rendered("services", {"storefront": {"enabled": True, "port": 9000, "hosts": ["shop.example"]}})
        if one["kind"] == "Deployment" and one["metadata"]["name"] == "rec-storefront"
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    env = {one["name"]: one["value"] for one in container["env"]}
    settings = Settings.model_validate(
        {
            name: env[f"REC_{name.upper()}"]
            for name in ("storefront_address", "storefront_port", "allowed_hosts", "api_client_url")
        }
    )
    assert (settings.storefront_address, settings.storefront_port) == ("0.0.0.0", 9000)
    assert settings.api_url == "http://api.serving.svc.cluster.local"
    assert container["ports"] == [{"name": "http", "containerPort": 9000}]
    assert settings.host_names == {
        "storefront",
        "storefront.serving",
        "storefront.serving.svc.cluster.local",
        "shop.example",
    }


@pytest.fixture(scope="module")
def api() -> list[Manifest]:
    given = {"port": 9000, "metricsPort": 9001, "requestsPerSecond": 2.5, "hosts": ["api.shop.example"]}
    return [one for one in rendered("services", {"api": given}) if one["metadata"]["name"] in ("api", "rec-api")]


def test_the_api_listens_where_its_probes_its_service_and_prometheus_reach_it(api: list[Manifest]) -> None:
    (container,) = of_kind(api, "Deployment")["spec"]["template"]["spec"]["containers"]
    env = {one["name"].removeprefix("REC_").lower(): one["value"] for one in container["env"]}
    names = (
        "api_address",
        "api_port",
        "api_metrics_port",
        "api_requests_per_second",
        "allowed_hosts",
        "store_read_only",
    )
    settings = Settings.model_validate({name: env[name] for name in names})
    assert (settings.api_address, settings.api_port, settings.api_metrics_port) == ("0.0.0.0", 9000, 9001)
    assert settings.api_requests_per_second == 2.5
    assert {one["name"]: one["containerPort"] for one in container["ports"]} == {"http": 9000, "metrics": 9001}
    assert of_kind(api, "Service")["spec"]["ports"][0]["targetPort"] == "http"
    assert of_kind(api, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["port"] == "metrics"
    assert settings.host_names >= {"api", "api.serving", "api.serving.svc.cluster.local", "api.shop.example"}


def test_probes_of_the_api_request_no_other_server_and_need_no_key(api: list[Manifest]) -> None:
    (container,) = of_kind(api, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/alive" and "/alive" in OPEN_PATHS
    assert "tcpSocket" in container["startupProbe"] and "tcpSocket" in container["livenessProbe"]


def test_the_api_knows_no_key_of_triton_and_only_the_storefront_knows_a_key_of_the_api(api: list[Manifest]) -> None:
    (container,) = of_kind(api, "Deployment")["spec"]["template"]["spec"]["containers"]
    assert container["envFrom"] == [{"secretRef": {"name": "rec-api"}}]
    for one in rendered("services", {"storefront": {"enabled": True}}):
        if one["kind"] == "Deployment" and one["metadata"]["name"] != "rec-api":
            (other,) = one["spec"]["template"]["spec"]["containers"]
            names = ["rec-assets", "rec-api"] if one["metadata"]["name"] == "rec-storefront" else ["rec-assets"]
            assert other["envFrom"] == [{"secretRef": {"name": name}} for name in names]


def test_a_load_test_is_off_and_calls_the_service_of_the_api_with_its_key() -> None:
    assert "Job" not in {one["kind"] for one in rendered("services", {})}
    job = of_kind(rendered("services", {"load": {"enabled": True, "requests": 500, "callers": 3}}), "Job")
    pod = job["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert [*container["command"], *container["args"]] == [
        *("rec", "load", "http://api.serving.svc.cluster.local", "--requests", "500", "--callers", "3")
    ]
    assert container["envFrom"] == [{"secretRef": {"name": "rec-api"}}]
    assert pod["restartPolicy"] == "Never" and job["spec"]["backoffLimit"] == 0


def test_services_have_minutes_to_import_their_packages_when_all_start_at_once() -> None:
    deployments = [
        one for one in rendered("services", {"storefront": {"enabled": True}}) if one["kind"] == "Deployment"
    ]
    pods = [one["spec"]["template"]["spec"]["containers"][0] for one in deployments]
    probes = [pod["startupProbe"] for pod in pods if "startupProbe" in pod]
    assert len(probes) == 3 and all(one["failureThreshold"] * one["periodSeconds"] >= 240 for one in probes)


def test_the_api_ends_after_its_pause_and_its_last_requests(api: list[Manifest]) -> None:
    pod = of_kind(api, "Deployment")["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pause + LAST_REQUESTS_S < pod["terminationGracePeriodSeconds"]
    assert of_kind(api, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_a_worker_that_hangs_is_restarted(tmp_path: Path) -> None:
    (worker,) = (
        one
        for one in rendered("services", {})
        if one["metadata"]["name"] == "rec-worker" and one["kind"] == "Deployment"
    )
    (container,) = worker["spec"]["template"]["spec"]["containers"]
    home = next(one["value"] for one in container["env"] if one["name"] == "REC_HOME")
    shell, option, script = container["livenessProbe"]["exec"]["command"]
    sign = alive_file(Settings(home=tmp_path))

    def probe() -> int:
        return subprocess.run([shell, option, script.replace(home, str(tmp_path))], check=False).returncode

    assert probe() == 1
    sign.touch()
    assert probe() == 0
    os.utime(sign, (0, 0))
    assert probe() == 1
