"""Answers whether network policies let one pod call another, by the rules of Kubernetes as EKS applies them.

EKS resolves policies in a controller of its own (amazon-network-policy-controller-k8s), which differs from the rules in
two points: names of ports are not found if the port is a sidecar's, and a Service is reached by its own address.
"""

from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any

from rec_assets_tests.deploy.manifests import Manifest


@dataclass(frozen=True)
class Pod:
    """A pod that has network policies."""

    namespace: str
    labels: dict[str, str]

    @property
    def address(self) -> str:
        """An address of the subnets of nodes."""
        return "10.40.1.1"


@dataclass(frozen=True)
class Service:
    """A Service with an address of its own. Headless ones have none: their callers call the pods."""

    namespace: str
    selector: dict[str, str]


@dataclass(frozen=True)
class Outside:
    """An address that is not a pod's: a database, AWS, or the agent of Pod Identity."""

    address: str


def allows(policies: list[Manifest], source: Pod, target: Pod | Outside, port: int, protocol: str = "TCP") -> bool:
    """Returns True if both sides let a connection through: egress of the source, and ingress of a target pod."""
    egress = _side(policies, "egress", source, target, port, protocol)
    ingress = isinstance(target, Outside) or _side(policies, "ingress", target, source, port, protocol)
    return egress and ingress


def lets_out(policies: list[Manifest], source: Pod, service: Service, port: int) -> bool:
    """Returns True if a pod may call the address of a Service whose pods listen on `port`.

    EKS filters before the address of the Service becomes that of a pod. It opens the address if the labels of a rule
    are part of the Service's selector; other labels of the pods do not count.
    """
    return _side(policies, "egress", source, Pod(service.namespace, service.selector), port, "TCP")


def _side(policies: list[Manifest], way: str, pod: Pod, other: Pod | Outside, port: int, protocol: str) -> bool:
    """Applies the policies of a pod for one way. Without a policy for this way, everything is allowed."""
    mine = [
        one["spec"]
        for one in policies
        if one["metadata"]["namespace"] == pod.namespace
        and way.capitalize() in one["spec"]["policyTypes"]
        and _selects(one["spec"]["podSelector"], pod.labels)
    ]
    return not mine or any(
        _matches(rule, "to" if way == "egress" else "from", pod, other) and _opens(rule.get("ports"), port, protocol)
        for spec in mine
        for rule in spec.get(way, [])
    )


def _matches(rule: Manifest, key: str, pod: Pod, other: Pod | Outside) -> bool:
    return key not in rule or any(_is_peer(peer, pod, other) for peer in rule[key])


def _is_peer(peer: Manifest, pod: Pod, other: Pod | Outside) -> bool:
    if "ipBlock" in peer:
        return ip_address(other.address) in ip_network(peer["ipBlock"]["cidr"])
    if isinstance(other, Outside):
        return False
    namespace = {"kubernetes.io/metadata.name": other.namespace}
    near = (
        _selects(peer["namespaceSelector"], namespace)
        if "namespaceSelector" in peer
        else other.namespace == pod.namespace
    )
    return near and _selects(peer.get("podSelector", {}), other.labels)


def _selects(selector: Manifest, labels: dict[str, str]) -> bool:
    return selector.get("matchLabels", {}).items() <= labels.items()


def _opens(ports: list[Any] | None, port: int, protocol: str) -> bool:
    """Returns True if a rule opens a port by its number; a name opens nothing."""
    return ports is None or any(one["port"] == port and one.get("protocol", "TCP") == protocol for one in ports)
