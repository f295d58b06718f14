"""Places every pod of every environment on a node: none stays pending, and GPUs are reserved by their users only."""

import tomllib
from collections.abc import Iterator

import pytest

from rec_assets.orchestration.op_tags import gpu_tags
from rec_assets.settings import Settings
from rec_assets_tests.deploy.installation import Installation
from rec_assets_tests.deploy.manifests import DEPLOY, Manifest
from rec_assets_tests.deploy.pods import camel, deployed, run, steps
from rec_assets_tests.deploy.scheduling import (
    GPU,
    Pool,
    admits,
    instance,
    packed,
    pools_of,
    quantities,
    requests_of,
    smallest,
)

SYSTEM = "rec-assets.io/profile"
# Add-ons of EKS, two pods each: processors, memory.
ADDONS = [{"cpu": "100m", "memory": "70Mi"}, {"cpu": "100m", "memory": "200Mi"}] * 2


def own_nodes(installed: Installation) -> list[Pool]:
    return pools_of(installed.manifests["rec-platform"])


def test_each_pod_with_a_profile_finds_one_pool_and_an_instance_that_has_room(installed: Installation) -> None:
    pods = {name: pod for name, _, pod in deployed(installed) if pod.get("nodeSelector")}
    pods |= steps(installed) | {"run": run(installed)}
    assert {"rec-triton", "cpu step", "gpu step", "run"} <= set(pods)
    for name, pod in pods.items():
        (pool,) = (one for one in own_nodes(installed) if admits(one, pod))
        assert pod["nodeSelector"].items() <= dict(pool.labels).items(), name
        assert smallest(pool, pod), f"no instance of {pool.name} has room for {name}: {requests_of(pod)}"


def test_a_server_of_production_fits_a_small_instance(installed: Installation) -> None:
    triton = next(pod for name, _, pod in deployed(installed) if name == "rec-triton")
    (pool,) = (one for one in own_nodes(installed) if admits(one, triton))
    found = smallest(pool, triton)
    assert found and found.name == "m7i.large"


def small_pods(installed: Installation) -> Iterator[tuple[str, dict[str, float]]]:
    """Yields the pods that no node pool accepts: they must fit the system nodes together."""
    yield from (("add-on", quantities(one)) for one in ADDONS)
    karpenter, balancer = installed.merged("karpenter"), installed.merged("aws-load-balancer-controller")
    yield from [("karpenter", quantities(karpenter["controller"]["resources"]["requests"]))] * karpenter["replicas"]
    yield from [("load balancer", quantities(balancer["resources"]["requests"]))] * balancer["replicaCount"]
    for name, one in installed.merged("keda")["resources"].items():
        yield name, quantities(one["requests"])
    stack = installed.merged("kube-prometheus-stack")
    for name, part in (
        ("prometheus", stack["prometheus"]["prometheusSpec"]),
        ("operator", stack["prometheusOperator"]),
        ("alerts", stack["alertmanager"]["alertmanagerSpec"]),
        ("grafana", stack["grafana"]),
        ("state", stack["kube-state-metrics"]),
    ):
        yield name, quantities(part["resources"]["requests"])
    dagster = installed.merged("dagster")
    web = dagster["dagsterWebserver"]
    yield from [("webserver", quantities(web["resources"]["requests"]))] * web["replicaCount"]
    yield "daemon", quantities(dagster["dagsterDaemon"]["resources"]["requests"])
    code = dagster["dagster-user-deployments"]["deployments"][0]
    yield "code location", quantities(code["resources"]["requests"])
    for name, number, pod in deployed(installed):
        if not pod.get("nodeSelector"):
            yield from [(name, requests_of(pod))] * number


def test_all_pods_without_a_profile_fit_the_system_nodes_together(installed: Installation) -> None:
    values = tomllib.loads((DEPLOY / f"cdk/environments/{installed.environment}.toml").read_text())
    nodes = [instance(values["system_instance"])] * values["system_nodes"]
    pods = dict(enumerate(small_pods(installed)))
    assert {"rec-worker", "rec-exporter", "rec-storefront", "rec-api"} <= {name for name, _ in pods.values()}
    assert packed([asked for _, asked in pods.values()], nodes) == []
    # Its chart puts each on a node of its own.
    assert installed.merged("karpenter")["replicas"] <= len(nodes)


def test_no_pool_accepts_a_pod_without_a_profile(installed: Installation) -> None:
    pods = [pod for _, _, pod in deployed(installed) if not pod.get("nodeSelector")]
    assert pods and not any(admits(pool, pod) for pool in own_nodes(installed) for pod in pods)


def test_a_gpu_is_reserved_by_training_steps_and_by_nothing_else(installed: Installation) -> None:
    pods = [*(pod for _, _, pod in deployed(installed)), run(installed), steps(installed)["cpu step"]]
    assert not any(GPU in requests_of(pod) for pod in pods)
    pod_with_gpu = gpu_tags(Settings(pod_gpu_count=1))["dagster-k8s/config"]
    pod = {**camel(pod_with_gpu["pod_spec_config"]), "containers": [pod_with_gpu["container_config"]]}
    (pool,) = (one for one in own_nodes(installed) if admits(one, pod))
    found = smallest(pool, pod)
    assert pool.name == "rec-gpu" and requests_of(pod)[GPU] == 1
    assert found and found.name in ("g5.2xlarge", "g6.2xlarge")


def test_the_device_plugin_runs_on_every_node_with_a_gpu_and_on_no_other(installed: Installation) -> None:
    values = installed.merged("nvidia-device-plugin")
    plugin = {"nodeSelector": values["nodeSelector"], "tolerations": values["tolerations"], "containers": []}
    (pool,) = (one for one in own_nodes(installed) if admits(one, plugin))
    assert pool.name == "rec-gpu"
    # One of the labels that the chart's affinity asks for.
    assert pool.labels["nvidia.com/gpu.present"] == "true"


@pytest.mark.parametrize(
    ("name", "processors", "gib"), [("m7i.large", 1.78, 6.2), ("m7i.xlarge", 3.77, 13.6), ("g6.2xlarge", 7.76, 28.4)]
)
def test_instances_keep_the_reservations_of_the_system(name: str, processors: float, gib: float) -> None:
    free = instance(name).free
    assert free["cpu"] == pytest.approx(processors, abs=0.02) and free["memory"] / 2**30 == pytest.approx(gib, abs=0.1)


def test_a_pod_that_cannot_be_placed_is_found() -> None:
    taints = [{"key": SYSTEM, "value": "serving", "effect": "NoSchedule"}]
    pool = Pool("serving", {SYSTEM: "serving"}, taints, 60e9, [instance("m7i.large")])
    pod: Manifest = {"nodeSelector": {SYSTEM: "serving"}, "containers": [{"resources": {"requests": {"cpu": "1"}}}]}
    assert not admits(pool, pod)
    pod["tolerations"] = [{"key": SYSTEM, "operator": "Equal", "value": "serving", "effect": "NoSchedule"}]
    assert admits(pool, pod) and smallest(pool, pod)
    pod["containers"][0]["resources"]["requests"]["cpu"] = "2"
    assert smallest(pool, pod) is None
