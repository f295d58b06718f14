"""Connections between the pods of an environment: those that the project needs are open, others are closed."""

import pytest

from rec_assets_tests.deploy.installation import Installation
from rec_assets_tests.deploy.manifests import Manifest, rendered
from rec_assets_tests.deploy.network import Outside, Pod, Service, allows, lets_out

DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
AWS, AGENT = Outside("52.219.1.1"), Outside("169.254.170.23")
STORE = Outside("10.40.200.9")  # in the isolated subnets
ELSEWHERE = Outside("10.99.0.1")
# The selector of the code location's Service in Dagster's chart, without the names of chart and release.
SELECTED = {"component": "user-deployments", "deployment": "rec-assets"}


@pytest.fixture
def policies(installed: Installation) -> list[Manifest]:
    everything = [one for manifests in installed.manifests.values() for one in manifests]
    return [one for one in everything if one["kind"] == "NetworkPolicy"]


@pytest.fixture
def pods(installed: Installation) -> dict[str, Pod]:
    dagster = installed.merged("dagster")
    run = dagster["runLauncher"]["config"]["k8sRunLauncher"]["runK8sConfig"]["podTemplateSpecMetadata"]["labels"]
    code = dagster["dagster-user-deployments"]["deployments"][0]
    found = {
        "webserver": Pod("rec-assets", {"component": "dagster-webserver"}),
        "daemon": Pod("rec-assets", {"component": "dagster-daemon"}),
        "code": Pod("rec-assets", {**SELECTED, **code["labels"]}),
        "step": Pod("rec-assets", run),  # steps have the labels of their run
        "prometheus": Pod("monitoring", {"app.kubernetes.io/name": "prometheus"}),
        "shop": Pod("default", {"rec-assets.io/api-client": "true"}),
        "stranger": Pod("default", {}),
    }
    for manifests in installed.manifests.values():
        for one in manifests:
            if one["kind"] == "Deployment":
                labels = one["spec"]["template"]["metadata"]["labels"]
                found[one["metadata"]["name"].removeprefix("rec-")] = Pod(one["metadata"]["namespace"], labels)
    return found


@pytest.fixture
def services(installed: Installation) -> dict[str, Service]:
    found = {"code": Service("rec-assets", SELECTED)}
    for manifests in installed.manifests.values():
        for one in manifests:
            if one["kind"] == "Service" and one["spec"].get("clusterIP") != "None":
                name = one["metadata"]["name"].removeprefix("rec-")
                found[name] = Service(one["metadata"]["namespace"], one["spec"]["selector"])
    return found


NEEDED = [
    ("webserver", "code", 3030),
    ("daemon", "code", 3030),
    ("step", "triton", 8001),
    ("step", "triton", 8081),
    ("code", "triton", 8081),
    ("storefront", "api", 8090),
    ("shop", "api", 8090),
    ("api", "triton", 8001),
    ("prometheus", "api", 9102),
    ("prometheus", "triton", 8002),
    ("prometheus", "triton", 8081),
    ("prometheus", "exporter", 9100),
]
CLOSED = [
    ("stranger", "triton", 8001),
    ("stranger", "triton", 8081),
    ("stranger", "code", 3030),
    ("stranger", "exporter", 9100),
    ("worker", "triton", 8081),
    ("storefront", "triton", 8001),
    ("storefront", "triton", 8081),
    ("storefront", "api", 9102),
    ("stranger", "api", 8090),
    ("worker", "api", 8090),
    ("shop", "api", 9102),
    ("shop", "triton", 8001),
    ("api", "triton", 8081),
    ("api", "code", 80),
    ("step", "exporter", 9100),
    ("triton", "code", 3030),
    ("webserver", "step", 80),
]


@pytest.mark.parametrize(("source", "target", "port"), NEEDED)
def test_a_connection_that_is_needed_is_open(
    policies: list[Manifest], pods: dict[str, Pod], source: str, target: str, port: int
) -> None:
    assert allows(policies, pods[source], pods[target], port)


@pytest.mark.parametrize(
    ("source", "service", "port"),
    [
        ("webserver", "code", 3030),
        ("daemon", "code", 3030),
        ("step", "triton", 8001),
        ("storefront", "api", 8090),
        ("api", "triton", 8001),
    ],
)
def test_a_service_is_called_by_its_own_address(
    policies: list[Manifest],
    pods: dict[str, Pod],
    services: dict[str, Service],
    source: str,
    service: str,
    port: int,
) -> None:
    assert lets_out(policies, pods[source], services[service], port)
    assert not lets_out(policies, pods[source], services["storefront"], 8080)


@pytest.mark.parametrize(("source", "target", "port"), CLOSED)
def test_another_connection_is_closed(
    policies: list[Manifest], pods: dict[str, Pod], source: str, target: str, port: int
) -> None:
    assert not allows(policies, pods[source], pods[target], port)


def test_every_pod_finds_names_aws_its_role_and_its_stores(policies: list[Manifest], pods: dict[str, Pod]) -> None:
    for name in ("webserver", "daemon", "code", "step", "worker", "exporter", "storefront", "api", "triton"):
        pod = pods[name]
        assert allows(policies, pod, DNS, 53, "UDP") and allows(policies, pod, AWS, 443), name
        assert allows(policies, pod, AGENT, 80) and allows(policies, pod, STORE, 6379), name
        assert allows(policies, pod, STORE, 5432) == (name != "triton"), name


def test_no_pod_calls_another_network_or_port(policies: list[Manifest], pods: dict[str, Pod]) -> None:
    for name in ("webserver", "daemon", "code", "step", "worker", "exporter", "storefront", "api", "triton"):
        assert not allows(policies, pods[name], ELSEWHERE, 6379), name
        assert not allows(policies, pods[name], AWS, 22) and not allows(policies, pods[name], AWS, 80), name


def test_only_with_a_collector_its_port_is_open_for_what_sends_traces(
    policies: list[Manifest], pods: dict[str, Pod]
) -> None:
    collector = Pod("observability", {})
    opened = {"networkPolicy": {"collector": {"namespace": "observability"}}}
    platform = {"cluster": "rec", "instanceProfile": "rec", "vpc": "10.40.0.0/16"} | opened
    more = [*rendered("triton", opened), *rendered("platform", platform, "rec-assets")]
    opening = policies + [one for one in more if one["kind"] == "NetworkPolicy"]
    for name in ("api", "worker", "triton"):
        assert not allows(policies, pods[name], collector, 4318), name
        assert allows(opening, pods[name], collector, 4318) and not allows(opening, pods[name], collector, 80), name
    assert not allows(opening, pods["step"], collector, 4318)


def test_a_load_test_reaches_the_api_and_no_server_behind_it(
    policies: list[Manifest], pods: dict[str, Pod], services: dict[str, Service]
) -> None:
    made = rendered("services", {"load": {"enabled": True}}, "rec-assets")
    (job,) = (one for one in made if one["kind"] == "Job")
    load = Pod("rec-assets", job["spec"]["template"]["metadata"]["labels"])
    assert allows(policies, load, pods["api"], 8090) and lets_out(policies, load, services["api"], 8090)
    assert not allows(policies, load, pods["api"], 9102) and not allows(policies, load, pods["triton"], 8001)
    assert not allows(policies, pods["worker"], pods["api"], 8090)
