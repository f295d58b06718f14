"""Starts a real cluster of three Valkeys, each with a third of the slots, with or without a copy of each."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from rec_assets.cli.local import binaries
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port
from rec_assets_tests.waiting import wait_until

SLOTS = (range(5461), range(5461, 10923), range(10923, 16384))
NODE_TIMEOUT_MS = 1_000


@dataclass(frozen=True)
class Node:
    """One Valkey of a cluster."""

    port: int
    bus_port: int
    client: "redis.Redis[bytes]"
    process: "subprocess.Popen[bytes]"

    def ask(self, *words: str | int) -> Any:
        """Runs a command on this node."""
        return self.client.execute_command(*words)

    @property
    def id(self) -> str:
        """The name of the node in the cluster."""
        answer: bytes = self.ask("CLUSTER", "MYID")
        return answer.decode()

    def knows(self, nodes: int) -> bool:
        """Returns whether this node reports that all slots are served, by a cluster of so many nodes."""
        state = self.ask("CLUSTER", "INFO")
        text = state if isinstance(state, dict) else dict(line.split(":") for line in state.decode().split())
        return bool(text["cluster_state"] == "ok" and text["cluster_known_nodes"] == str(nodes))


@dataclass(frozen=True)
class ValkeyCluster:
    """Nodes in the order of `SLOTS`, copies of them in the same order, and settings with the address of one node."""

    nodes: list[Node]
    copies: list[Node]
    settings: Settings


@contextmanager
def running_cluster(home: Path, *, copied: bool = False) -> Iterator[ValkeyCluster]:
    """Yields a cluster, where each node has a copy if `copied`; the ports of other servers are unused."""
    with ExitStack() as stack:
        started = [stack.enter_context(_node(home)) for _ in range(len(SLOTS) * (1 + copied))]
        nodes, copies = started[: len(SLOTS)], started[len(SLOTS) :]
        for number, (node, slots) in enumerate(zip(nodes, SLOTS, strict=True)):
            node.ask("CLUSTER", "ADDSLOTSRANGE", slots[0], slots[-1])
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for node in started:
            node.ask("CLUSTER", "MEET", "127.0.0.1", nodes[0].port, nodes[0].bus_port)
        wait_until(lambda: all(node.knows(len(started)) for node in started))
        for node, copy in zip(nodes, copies, strict=bool(copies)):
            copy.ask("CLUSTER", "REPLICATE", node.id)
        wait_until(lambda: all(copy.client.info("replication").get("master_link_status") == "up" for copy in copies))
        others = {f"{name}_port": free_port() for name in ("triton_grpc", "triton_metrics")}
        settings = {"home": home, "valkey_cluster": True, "valkey_port": nodes[-1].port, **others}
        yield ValkeyCluster(nodes, copies, Settings.model_validate(settings))


@contextmanager
def _node(home: Path) -> Iterator[Node]:
    port, bus_port = free_port(), free_port()
    folder = home / f"node-{port}"
    folder.mkdir(parents=True)
    options = {
        "bind": "127.0.0.1",
        "port": port,
        "cluster-port": bus_port,
        "cluster-enabled": "yes",
        "cluster-node-timeout": NODE_TIMEOUT_MS,
        "cluster-allow-replica-migration": "no",
        "repl-diskless-sync-delay": 0,
        "dir": folder,
        "save": "",
        "loadmodule": binaries.bloom_module(),
    }
    words = [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([binaries.valkey_server(), *words], stdout=log, stderr=log)
    try:
        client = redis.Redis(port=port)
        wait_until(client.ping, ignore=redis.ConnectionError)
        yield Node(port, bus_port, client, process)
    finally:
        process.kill()
        process.wait()
