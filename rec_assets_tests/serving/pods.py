"""Pods of the chart `deploy/helm/triton` on this machine: each has a Triton, its agent, and a loopback address."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

from rec_assets.cli.local.triton import Triton
from rec_assets.serving.client import Client
from rec_assets.serving.promotion.agent import Agent
from rec_assets.serving.promotion.agent_server import agent_server
from rec_assets.serving.promotion.protocol import Candidate
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port, in_thread

KEY = "only-who-promotes"
_HOSTS = count(2)  # 127.0.0.2, …: all agents have the same port, as pods do


class ScriptedAgent(Agent):
    """An agent that does something else after the first step of a promotion, or before the second."""

    after_prepare: Callable[[], object] = staticmethod(lambda: None)
    before_commit: Callable[[], object] = staticmethod(lambda: None)

    def prepare(self, candidate: Candidate) -> None:
        super().prepare(candidate)
        self.after_prepare()

    def commit(self, bundle_id: str, token: int = 0) -> None:
        self.before_commit()
        super().commit(bundle_id, token)


@dataclass
class Pod:
    """A server, its agent, and the address of the agent's HTTP interface."""

    server: Triton
    agent: ScriptedAgent
    address: str

    @property
    def host(self) -> str:
        return self.address.partition(":")[0]

    def answered_by(self) -> str:
        """Returns the bundle that answers a request."""
        return Client(self.agent.settings).recommend(1).bundle_id

    def probe(self, path: str) -> int:
        """Returns the status of the answer of a probe."""
        try:
            with urlopen(f"http://{self.address}{path}", timeout=30) as answer:
                return int(answer.status)
        except HTTPError as error:
            return error.code


@dataclass(frozen=True)
class Pods:
    """Starts pods that share a bucket and a Valkey."""

    folder: Path
    artifacts: str
    valkey: Settings
    agent_port: int = field(default_factory=free_port)

    def settings(self, home: str, **changes: object) -> Settings:
        """Returns the settings of a pod or a step with a disk of its own."""
        values = {"home": self.folder / home, "artifacts": self.artifacts, "valkey_port": self.valkey.valkey_port}
        values |= {"retrieval_topk": 30, "ranking_topk": 10, "triton_instances": 1, "triton_control_key": KEY}
        return Settings.model_validate(values | {"agent_port": self.agent_port} | changes)

    def operator(self, pods: Sequence[Pod]) -> Settings:
        """Returns the settings of a step that promotes to some pods."""
        return self.settings("operator", triton_replicas=",".join(pod.host for pod in pods))

    @contextmanager
    def running(self, name: str) -> Iterator[Pod]:
        """Runs a pod like the chart: first the agent, then the server."""
        ports = {f"{one}_port": free_port() for one in ("triton_grpc", "triton_metrics")}
        settings = self.settings(name, store_read_only=True, **ports)
        agent = ScriptedAgent(settings)
        with in_thread(agent_server(agent, settings, f"127.0.0.{next(_HOSTS)}")) as address:
            server = Triton(settings)
            server.start()
            try:
                yield Pod(server, agent, address)
            finally:
                server.stop()


def follow(pods: Sequence[Pod]) -> None:
    """Runs a round of the loop that follows the record."""
    for pod in pods:
        assert pod.agent.follow() == ""
