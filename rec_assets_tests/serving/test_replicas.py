"""Tests promotion to three real Tritons with agents. Only clients with the control key can change models."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from rec_assets.bundles.live_record import find_live
from rec_assets.cli.local.triton import Triton
from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client
from rec_assets.serving.promotion import replicas
from rec_assets.serving.promotion.agent import Agent
from rec_assets.serving.promotion.agent_server import agent_server
from rec_assets.serving.promotion.promote import promote
from rec_assets.serving.promotion.protocol import Candidate
from rec_assets.serving.triton import model_config, model_repository, server_control
from rec_assets.settings import Settings
from rec_assets.storage.artifact_store import ArtifactStore
from rec_assets.storage.stores import open_store
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.servers import free_port, in_thread
from rec_assets_tests.serving.stored_bundles import add
from rec_assets_tests.serving.synthetic import AS_OF
from rec_assets_tests.waiting import wait_until

pytestmark = pytest.mark.slow
KEY = "only-who-promotes"


class DyingAgent(Agent):
    """An agent that stops its server during the switch, and fails with it."""

    server: Triton

    def commit(self, bundle_id: str) -> None:
        self.server.stop()
        super().commit(bundle_id)


@dataclass
class Replica:
    """One pod: a server, its agent, and the address of the agent's HTTP interface."""

    server: Triton
    agent: Agent
    address: str

    def live(self) -> str:
        return self.agent.live()

    def answered_by(self) -> str:
        return Client(self.agent.settings).recommend(1).bundle_id


@pytest.fixture(autouse=True)
def one_topology(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves only the topology with one process: the other one has 14 more processes per version and replica."""
    monkeypatch.delitem(model_config.TOPOLOGIES, model_config.ENSEMBLE)
    monkeypatch.setattr(server_control, "LIVE", (model_config.RECOMMENDER,))


@pytest.fixture
def store(s3: S3, tmp_path: Path) -> ArtifactStore:
    return open_store(Settings(home=tmp_path / "here", artifacts=f"s3://{BUCKET}/{tmp_path.name}"))


@pytest.fixture
def operator(store: ArtifactStore, tmp_path: Path) -> Settings:
    """Settings of the step that promotes."""
    home = {"home": tmp_path / "here", "artifacts": f"s3://{BUCKET}/{tmp_path.name}"}
    return Settings.model_validate(home | {"triton_replicas": "pods.invalid", "triton_control_key": KEY})


@contextmanager
def running(home: Path, valkey: Settings, kind: type[Agent] = Agent) -> Iterator[Replica]:
    """Runs a pod like the chart: first the agent, then the server."""
    ports = {f"{name}_port": free_port() for name in ("triton_grpc", "triton_metrics", "agent")}
    settings = Settings.model_validate(
        {"home": home, "artifacts": f"s3://{BUCKET}/{home.parent.name}", "valkey_port": valkey.valkey_port}
        | {"retrieval_topk": 30, "ranking_topk": 10, "triton_instances": 1, "triton_control_key": KEY, **ports}
    )
    agent = kind(settings)
    with in_thread(agent_server(agent, settings, "127.0.0.1")) as address:
        server = Triton(settings)
        if isinstance(agent, DyingAgent):
            agent.server = server
        server.start()
        try:
            yield Replica(server, agent, address)
        finally:
            server.stop()


def test_the_first_bundle_and_later_ones_go_live_on_all_replicas_or_on_none(
    store: ArtifactStore, operator: Settings, valkey: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pods: list[Replica] = []
    monkeypatch.setattr(replicas, "replicas_of", lambda settings: [one.address for one in pods])
    first, second, third, fourth = (add(store, number).bundle_id for number in range(1, 5))

    def promote_it(bundle_id: str) -> None:
        promote(store, operator, bundle_id, lambda line: None)

    with ExitStack() as ends:
        # Pods without a live bundle run and wait. The first bundle is recorded, and the pods follow the record.
        kinds = (Agent, Agent, DyingAgent)
        pods = [ends.enter_context(running(tmp_path / f"replica{n}", valkey, kind)) for n, kind in enumerate(kinds)]
        for one in pods:
            assert one.agent.follow() == "no bundle was promoted yet"
            assert [probe(one, path) for path in ("/alive", "/serves", "/ready")] == [200, 200, 503]
        promote_it(first)
        follow(pods)
        assert [one.answered_by() for one in pods] == [first] * 3
        assert [probe(one, "/ready") for one in pods] == [200] * 3

        # Without the key, neither the agent nor the server changes models.
        keyless = operator.model_copy(update={"triton_control_key": ""})
        with pytest.raises(ActionableError, match="control key is missing or wrong"):
            promote(store, keyless, second, lambda line: None)
        with pytest.raises(ActionableError, match="control-key"):
            server_control.load(pods[0].agent.settings.model_copy(update={"triton_control_key": ""}))

        # One replica dies during the switch. The others, even if one has switched already, return to the old bundle.
        dying = pods[2]
        with pytest.raises(ActionableError, match=rf"{second} is not live on any replica: .*{dying.address}/commit"):
            promote_it(second)
        assert [one.answered_by() for one in pods[:2]] == [first] * 2
        assert [model_repository.versions(one.agent.models) for one in pods[:2]] == [[1], [1]]
        assert [probe(dying, path) for path in ("/alive", "/serves", "/answers", "/ready")] == [200, 503, 503, 503]

        # A pod that starts takes no part and does not refuse the bundle. It follows the record.
        pods[2:] = [ends.enter_context(running(tmp_path / "late", valkey)), dying]
        promote_it(second)
        assert [one.answered_by() for one in pods[:2]] == [second] * 2
        follow(pods[:3])
        assert [one.answered_by() for one in pods[:3]] == [second] * 3

        # Between the steps of a promotion, the agent neither returns to the record nor deletes what was prepared.
        agent, day = pods[0].agent, (AS_OF + timedelta(days=3)).isoformat()
        agent.prepare(Candidate("finetuned_bundle", day, third))
        assert agent.follow() == f"bundle {third} is being promoted"
        agent.commit(third)
        assert agent.follow() == f"bundle {third} is being promoted"
        assert agent.live() == third
        agent.abort(third)
        assert pods[0].answered_by() == second

        # After every promotion the live bundle and the previous one are loaded and kept, and no other.
        pods[2].server.stop()
        pods = pods[:2]
        for bundle_id in (third, fourth, third, fourth):
            promote_it(bundle_id)
            follow(pods)
        for one in pods:
            models = one.agent.models
            kept = model_repository.versions(models)
            assert {model_repository.bundle_id(models, version) for version in kept} == {third, fourth}
            assert wait_until(lambda: server_control.loaded_versions(one.agent.settings) == set(kept))  # noqa: B023
            assert len(list((models / ".bundles").iterdir())) == 2
            assert not list((one.agent.settings.artifacts_dir / "finetuned_bundle").glob("*/[!.]*"))
        promote_it("previous")
        assert [one.answered_by() for one in pods] == [third] * 2

        # Where no pod can test a bundle, only one that was live before is promoted.
        pods = [dying]
        with pytest.raises(ActionableError, match="None of 1 replicas is ready to test bundle"):
            promote_it(fourth)
        promote_it("previous")
        live = find_live(store)
        assert live is not None and live.bundle_id == second


def follow(pods: list[Replica]) -> None:
    """Runs a round of the loop that follows the record."""
    for one in pods:
        assert one.agent.follow() == ""


def test_the_error_for_a_service_without_addresses_has_its_name() -> None:
    with pytest.raises(ActionableError, match=r"(?s)nowhere.invalid has no addresses.*REC_TRITON_REPLICAS"):
        replicas.replicas_of(Settings(triton_replicas="nowhere.invalid"))
    assert replicas.replicas_of(Settings(triton_replicas="localhost", agent_port=8080)) == ["127.0.0.1:8080"]


@pytest.mark.parametrize("key", ["", "guessed"])
def test_an_agent_without_a_configured_key_refuses_all_clients(tmp_path: Path, key: str) -> None:
    settings = Settings(home=tmp_path, agent_port=free_port(), triton_grpc_port=free_port())
    with (
        in_thread(agent_server(Agent(settings), settings, "127.0.0.1")) as address,
        pytest.raises(ActionableError, match="control key is missing or wrong"),
    ):
        replicas.promote([address], Candidate("model_bundle", "2025-03-14", "abc"), key)


def probe(replica: Replica, path: str) -> int:
    try:
        with urlopen(f"http://{replica.address}{path}", timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
