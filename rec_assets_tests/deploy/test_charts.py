"""Renders the charts with combinations of values: every manifest is strictly valid and has the required content."""

from itertools import product
from typing import Any

import pytest

from rec_assets.settings import Settings
from rec_assets_tests.deploy.manifests import DEPLOY, Manifest, helm, of_kind, problems_of, rendered

CHARTS = ("triton", "services", "platform")
PLATFORM: Manifest = {"cluster": "rec-test", "instanceProfile": "rec-test-node", "vpc": "10.40.0.0/16"}
COMBINATIONS: dict[str, list[Manifest]] = {
    "triton": [
        {
            "autoscaling": {"kind": kind},
            "service": {"type": service, "sourceRanges": ["10.40.0.0/16"] if placed else []},
            "monitoring": {"podMonitor": monitored},
            "networkPolicy": {"enabled": monitored, "stores": ["10.40.0.0/16"] if placed else []},
            "nodeSelector": {"rec-assets.io/profile": "serving"} if placed else {},
            "image": {"digest": "sha256:" + "a" * 64} if placed else {},
        }
        for kind, placed, service, monitored in product(
            ("keda", "none"), (False, True), ("LoadBalancer", "ClusterIP"), (True, False)
        )
    ],
    "services": [
        {
            name: {"enabled": wanted}
            for name, wanted in zip(("worker", "storefront", "api", "exporter"), chosen, strict=True)
        }
        for chosen in product((True, False), repeat=4)
        if chosen[2] or not chosen[1]  # the storefront needs the API
    ]
    + [
        {"load": {"enabled": True}},
        *(
            {"api": {"service": {"type": service, "sourceRanges": ["10.40.0.0/16"]}, "autoscaling": {"kind": kind}}}
            for service, kind in product(("ClusterIP", "LoadBalancer"), ("keda", "none"))
        ),
    ],
    "platform": [
        PLATFORM | {"nodes": {"enabled": nodes}, "networkPolicy": {"enabled": policies}}
        for nodes, policies in product((True, False), repeat=2)
    ]
    + [PLATFORM | {"networkPolicy": {"collector": {"namespace": "observability"}}}],
}


@pytest.fixture(scope="module")
def triton() -> list[Manifest]:
    return rendered("triton", {})


@pytest.fixture(scope="module")
def server(triton: list[Manifest]) -> dict[str, Any]:
    return of_kind(triton, "Deployment")["spec"]["template"]["spec"]


@pytest.mark.parametrize("chart", CHARTS)
def test_helm_finds_nothing_to_mend(chart: str) -> None:
    required = [f"--set={name}={value}" for name, value in PLATFORM.items()] if chart == "platform" else []
    done = helm("lint", "--strict", *required, str(DEPLOY / "helm" / chart))
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


@pytest.mark.parametrize("chart", CHARTS)
def test_every_manifest_of_every_combination_is_strictly_valid(chart: str) -> None:
    manifests = [one for values in COMBINATIONS[chart] for one in rendered(chart, values)]
    assert len(manifests) > len(COMBINATIONS[chart])
    assert problems_of(manifests) == []


def test_an_unknown_field_or_value_is_found() -> None:
    monitor = of_kind(rendered("triton", {}), "PodMonitor")
    monitor["spec"]["podMetricsEndpoints"][0]["intervall"] = "10s"
    service = of_kind(rendered("triton", {}), "Service")
    service["spec"]["typo"] = 1
    scaled = of_kind(rendered("triton", {"autoscaling": {"kind": "keda"}}), "ScaledObject")
    scaled["spec"]["maxReplicaCount"] = "many"
    problems = "\n".join(problems_of([monitor, service, scaled]))
    assert "intervall" in problems and "typo" in problems and "maxReplicaCount" in problems


@pytest.mark.parametrize(
    ("chart", "values", "reason"),
    [
        ("triton", {"image": {"tag": "latest"}}, "image/tag"),
        ("triton", {"settings": {"REC_VALKEY_PASSWORD": "in a file"}}, "REC_VALKEY_PASSWORD"),
        ("triton", {"settings": {"REC_ARTIFACTS": "/somewhere"}}, "REC_ARTIFACTS"),
        ("triton", {"autoscaling": {"kind": "magic"}}, "autoscaling/kind"),
        ("triton", {"replica": 3}, "replica"),
        ("triton", {"networkPolicy": {"stores": ["valkey.example"]}}, "networkPolicy/stores"),
        ("services", {"image": {"tag": "latest"}}, "image/tag"),
        ("services", {"autoscaling": {"kind": "keda"}}, "autoscaling"),
        ("services", {"api": {"autoscaling": {"kind": "magic"}}}, "api/autoscaling/kind"),
        ("services", {"api": {"secrets": []}}, "api/secrets"),
        ("services", {"api": {"requestsPerSecond": -1}}, "api/requestsPerSecond"),
        ("services", {"api": {"service": {"type": "LoadBalancer"}}}, "sourceRanges is empty"),
        ("services", {"storefront": {"enabled": True}, "api": {"enabled": False}}, "The storefront calls the API"),
        ("platform", {"nodes": {"enabled": False}}, "vpc is missing"),
        ("platform", {"vpc": "10.40.0.0/16"}, "cluster is missing"),
        ("platform", PLATFORM | {"nodes": {"gpu": {"cpus": "8"}}}, "nodes/gpu"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(chart: str, values: Manifest, reason: str) -> None:
    with pytest.raises(AssertionError, match=reason):
        rendered(chart, values)


def test_the_agent_starts_first_and_loads_what_storage_calls_live_into_an_empty_server(server: dict[str, Any]) -> None:
    (agent,) = server["initContainers"]
    assert agent["command"] == ["python3", "-m", "rec_assets.serving.promotion.agent"]
    assert agent["restartPolicy"] == "Always" and agent["startupProbe"]["httpGet"]["path"] == "/alive"
    arguments = server["containers"][0]["args"][0]
    assert "--model-control-mode=explicit" in arguments and "--load-model" not in arguments
    assert "--grpc-restricted-protocol=model-repository" in arguments
    assert "--http-restricted-api=model-repository" in arguments


def test_only_readiness_asks_for_recommendations_so_an_overload_restarts_no_server(server: dict[str, Any]) -> None:
    triton = server["containers"][0]
    paths = [triton[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")]
    assert paths == ["/serves", "/ready", "/serves"]


def test_the_repository_is_read_only_to_the_server_and_nobody_is_root(server: dict[str, Any]) -> None:
    state = next(one for one in server["containers"][0]["volumeMounts"] if one["name"] == "state")
    assert state["readOnly"]
    assert server["securityContext"]["runAsUser"] == 10001
    for container in (*server["initContainers"], *server["containers"]):
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_a_pod_ends_after_its_deregistration_and_its_running_requests_and_before_a_spot_node_goes(
    triton: list[Manifest], server: dict[str, Any]
) -> None:
    annotations = of_kind(triton, "Service")["metadata"]["annotations"]
    attributes = annotations["service.beta.kubernetes.io/aws-load-balancer-target-group-attributes"].split(",")
    deregistration = int(dict(one.split("=") for one in attributes)["deregistration_delay.timeout_seconds"])
    pause = server["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert "--exit-timeout-secs=30" in server["containers"][0]["args"][0]
    assert deregistration < pause
    assert pause + 30 <= server["terminationGracePeriodSeconds"] < 120


def test_servers_are_spread_and_few_go_at_once(triton: list[Manifest], server: dict[str, Any]) -> None:
    keys = {one["topologyKey"] for one in server["topologySpreadConstraints"]}
    assert keys == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    assert of_kind(triton, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1


def test_the_load_balancer_is_internal(triton: list[Manifest]) -> None:
    annotations = of_kind(triton, "Service")["metadata"]["annotations"]
    assert annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] == "internal"


def test_promotions_find_every_pod_ready_or_not(triton: list[Manifest]) -> None:
    headless = next(one for one in triton if one["metadata"]["name"].endswith("-replicas"))
    assert headless["spec"]["clusterIP"] == "None" and headless["spec"]["publishNotReadyAddresses"]


def test_only_who_promotes_reaches_the_agents_and_from_any_namespace(triton: list[Manifest]) -> None:
    rules = of_kind(triton, "NetworkPolicy")["spec"]["ingress"]
    (agent,) = (rule for rule in rules if rule["ports"] == [{"port": 8081}])
    pods = [one for one in agent["from"] if "podSelector" in one]
    promotes = {"matchLabels": {"rec-assets.io/promotes": "true"}}
    assert pods == [{"namespaceSelector": {}, "podSelector": promotes}]


def test_a_scaler_owns_the_number_of_replicas_or_nobody_does(triton: list[Manifest]) -> None:
    assert "replicas" not in of_kind(triton, "Deployment")["spec"]
    fixed = rendered("triton", {"autoscaling": {"kind": "none"}, "replicas": 3})
    assert of_kind(fixed, "Deployment")["spec"]["replicas"] == 3
    assert "ScaledObject" not in {one["kind"] for one in fixed}


def test_the_agent_listens_where_probes_and_promotions_reach_it(triton: list[Manifest], server: dict[str, Any]) -> None:
    port = Settings().agent_port
    assert server["initContainers"][0]["ports"] == [{"name": "agent", "containerPort": port}]
    probes = [server["containers"][0][probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe")]
    headless = next(one for one in triton if one["metadata"]["name"].endswith("-replicas"))
    assert probes == [port, port] and headless["spec"]["ports"][0]["port"] == port
    assert port != Settings().storefront_port
