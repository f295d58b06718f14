"""Places pods on nodes: labels, taints, and requests against the instances that a node pool may start."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from rec_assets_tests.deploy.manifests import Manifest

GIB = 2**30
GPU = "nvidia.com/gpu"
# GiB of memory per processor of an instance family. A flexible family ends at 16 processors.
FAMILIES = {"c7i": 2, "m7i": 4, "m7i-flex": 4, "c7i-flex": 2, "r7i": 8, "c6i": 2, "m6i": 4, "r6i": 8, "t3a": 4}
SIZES = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16}
WITH_GPU = {"g5": 4, "g6": 4}
# Requests of the pods on every node: network (with its policy agent), proxy, pod identity, node exporter.
EVERY_NODE = {"cpu": 0.15, "memory": 0.25 * GIB}
MOST_PODS = 58
OVERHEAD = 0.075  # share of memory that Karpenter assumes to be missing on an instance


@dataclass(frozen=True)
class Instance:
    """An EC2 instance type; `free` has cpu in processors, memory in bytes and GPUs after what the system takes."""

    name: str
    free: Mapping[str, float]


@dataclass(frozen=True)
class Pool:
    """Nodes with equal labels and taints, and their possible instances, small ones first."""

    name: str
    labels: Mapping[str, str]
    taints: list[Manifest]
    disk: float
    instances: list[Instance]


def quantities(given: Mapping[str, Any]) -> dict[str, float]:
    """Returns requests in Kubernetes notation as numbers: `{"cpu": "250m"}` → `{"cpu": 0.25}`."""
    return {name: float(parse_quantity(str(value))) for name, value in given.items()}


def requests_of(pod: Manifest) -> dict[str, float]:
    """Returns the requests of a pod: its containers and sidecars, or an init container beside earlier sidecars."""
    always: dict[str, float] = {}
    most: dict[str, float] = {}
    for one in pod.get("initContainers", []):
        asked = quantities(one.get("resources", {}).get("requests", {}))
        if one.get("restartPolicy") == "Always":
            always = _sum([always, asked])
        else:
            together = _sum([always, asked])
            most = {name: max(most.get(name, 0), together[name]) for name in together}
    running = _sum([always, *(quantities(one.get("resources", {}).get("requests", {})) for one in pod["containers"])])
    return {name: max(running.get(name, 0), most.get(name, 0)) for name in {*running, *most}}


def _sum(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    whole: dict[str, float] = {}
    for part in parts:
        for name, value in part.items():
            whole[name] = whole.get(name, 0) + value
    return whole


def instance(name: str) -> Instance:
    """Returns an instance type by its name, with the reservations of EKS: processors by count, memory by pods."""
    family, _, size = name.partition(".")
    cpus = SIZES[size]
    memory = cpus * (FAMILIES | WITH_GPU)[family] * GIB * (1 - OVERHEAD)
    reserved = 0.06 + 0.01 * min(cpus - 1, 1) + 0.005 * max(min(cpus, 4) - 2, 0) + 0.0025 * max(cpus - 4, 0)
    kubelet = (255 + 11 * MOST_PODS + 100) * 2**20
    free = {
        "cpu": cpus - reserved - EVERY_NODE["cpu"],
        "memory": memory - kubelet - EVERY_NODE["memory"],
        GPU: float(family in WITH_GPU),
    }
    return Instance(name, free)


def _instances(requirements: list[Manifest]) -> Iterator[Instance]:
    for family, size in ((family, size) for size in SIZES for family in FAMILIES | WITH_GPU):
        generation = family.partition("-")[0].lstrip("abcdefghijklmnopqrstuvwxyz")[0]
        facts = {
            "karpenter.k8s.aws/instance-category": family[0],
            "karpenter.k8s.aws/instance-generation": generation,
            "karpenter.k8s.aws/instance-family": family,
            "karpenter.k8s.aws/instance-size": size,
            "karpenter.k8s.aws/instance-cpu": str(SIZES[size]),
            "karpenter.k8s.aws/instance-gpu-count": "1" if family in WITH_GPU else "0",
            "kubernetes.io/arch": "amd64",
        }
        exists = family not in WITH_GPU or SIZES[size] >= 4
        if exists and all(_meets(facts.get(one["key"]), one) for one in requirements):
            yield instance(f"{family}.{size}")


def _meets(fact: str | None, requirement: Manifest) -> bool:
    if fact is None:
        return True  # capacity types: every instance comes as both
    values = requirement["values"]
    return {
        "In": lambda: fact in values,
        "NotIn": lambda: fact not in values,
        "Gt": lambda: int(fact) > int(values[0]),
    }[requirement["operator"]]()


def pools_of(manifests: list[Manifest]) -> list[Pool]:
    """Returns the node pools of the platform's chart."""
    disks = {
        one["metadata"]["name"]: float(parse_quantity(one["spec"]["blockDeviceMappings"][0]["ebs"]["volumeSize"]))
        for one in manifests
        if one["kind"] == "EC2NodeClass"
    }
    pools = []
    for one in (one for one in manifests if one["kind"] == "NodePool"):
        template = one["spec"]["template"]
        spec = template["spec"]
        instances = list(_instances(spec["requirements"]))
        disk = disks[spec["nodeClassRef"]["name"]]
        pools.append(Pool(one["metadata"]["name"], template["metadata"]["labels"], spec["taints"], disk, instances))
    return pools


def admits(pool: Pool, pod: Manifest) -> bool:
    """Returns True if labels and taints let a pod onto the nodes of a pool."""
    wanted = pod.get("nodeSelector", {}).items()
    tolerations = pod.get("tolerations", [])
    return wanted <= dict(pool.labels).items() and all(
        any(_tolerates(one, taint) for one in tolerations) for taint in pool.taints
    )


def _tolerates(toleration: Manifest, taint: Manifest) -> bool:
    if toleration.get("effect") not in (None, taint["effect"]) or toleration.get("key") not in (None, taint["key"]):
        return False
    return toleration.get("operator") == "Exists" or toleration.get("value") == taint.get("value")


def smallest(pool: Pool, pod: Manifest) -> Instance | None:
    """Returns the first instance of a pool that has room for a pod, or None."""
    asked = requests_of(pod)
    if asked.pop("ephemeral-storage", 0) > pool.disk * 0.85:  # the image and the system are on the same disk
        return None
    return next(
        (one for one in pool.instances if all(value <= one.free.get(name, 0) for name, value in asked.items())), None
    )


def packed(pods: Iterable[Mapping[str, float]], nodes: list[Instance]) -> list[Mapping[str, float]]:
    """Places pods on equal nodes, large ones first; returns the pods without a place."""
    free = [dict(one.free) for one in nodes]
    left = []
    for pod in sorted(pods, key=lambda one: -one["cpu"]):
        place = next((one for one in free if all(pod[name] <= one[name] for name in ("cpu", "memory"))), None)
        if place is None:
            left.append(pod)
        else:
            for name in ("cpu", "memory"):
                place[name] -= pod[name]
    return left
