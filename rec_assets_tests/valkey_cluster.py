"""Starts a real cluster of three Valkeys, without copies, each with a third of the slots."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import redis

from rec_assets.cli.local import binaries
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port
from rec_assets_tests.waiting import wait_until

SLOTS = (range(5461), range(5461, 10923), range(10923, 16384))


@contextmanager
def running_cluster(home: Path) -> Iterator[Settings]:
    """Yields settings with the address of one node; the ports of other servers are unused."""
    ports = [(free_port(), free_port()) for _ in SLOTS]
    with ExitStack() as stack:
        nodes = [stack.enter_context(_node(home, *pair)) for pair in ports]
        for number, (node, slots) in enumerate(zip(nodes, SLOTS, strict=True)):
            node.execute_command("CLUSTER", "ADDSLOTSRANGE", slots[0], slots[-1])
            node.execute_command("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.execute_command("CLUSTER", "MEET", "127.0.0.1", *ports[0])
        wait_until(lambda: all(_knows_all(node) for node in nodes))
        others = {f"{name}_port": free_port() for name in ("triton_grpc", "triton_metrics")}
        yield Settings.model_validate({"home": home, "valkey_cluster": True, "valkey_port": ports[0][0], **others})


@contextmanager
def _node(home: Path, port: int, bus_port: int) -> Iterator["redis.Redis[bytes]"]:
    folder = home / f"node-{port}"
    folder.mkdir(parents=True)
    options = {
        "bind": "127.0.0.1",
        "port": port,
        "cluster-port": bus_port,
        "cluster-enabled": "yes",
        "cluster-node-timeout": 5000,
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
        yield client
    finally:
        process.kill()
        process.wait()


def _knows_all(node: "redis.Redis[bytes]") -> bool:
    """Returns whether a node reports that all slots are served, by all nodes."""
    state = node.execute_command("CLUSTER", "INFO")
    text = state if isinstance(state, dict) else dict(line.split(":") for line in state.decode().split())
    return text["cluster_state"] == "ok" and text["cluster_known_nodes"] == str(len(SLOTS))
