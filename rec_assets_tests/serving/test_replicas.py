"""Tests promotion to three real Tritons with agents. Only clients with the control key can change models."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.live_record import LIVE_BUNDLE
from rec_assets.cli.local.triton import Triton
from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client
from rec_assets.serving.promotion.agent import Agent, pull_live
from rec_assets.serving.promotion.agent_server import agent_server
from rec_assets.serving.promotion.protocol import Candidate
from rec_assets.serving.promotion.replicas import promote, replicas_of
from rec_assets.serving.triton import model_config, model_repository, server_control
from rec_assets.settings import Settings
from rec_assets.storage.artifact_store import ArtifactStore
from rec_assets.storage.stores import open_store
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.servers import free_port, in_thread
from rec_assets_tests.serving.synthetic import make_bundle

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
def replicas(store: ArtifactStore, valkey: Settings, tmp_path: Path) -> Iterator[list[Replica]]:
    put(store, LIVE_BUNDLE, "all", seed=0)
    with ExitStack() as ends:
        yield [
            ends.enter_context(running(tmp_path / f"replica{number}", valkey, DyingAgent if number == 2 else Agent))
            for number in range(3)
        ]


@contextmanager
def running(home: Path, valkey: Settings, kind: type[Agent] = Agent) -> Iterator[Replica]:
    """Runs a pod like the chart: first pull, then server and agent."""
    ports = {f"{name}_port": free_port() for name in ("triton_grpc", "triton_metrics", "agent")}
    settings = Settings.model_validate(
        {"home": home, "artifacts": f"s3://{BUCKET}/{home.parent.name}", "valkey_port": valkey.valkey_port}
        | {"retrieval_topk": 30, "ranking_topk": 10, "triton_control_key": KEY, **ports}
    )
    pull_live(settings)
    server, agent = Triton(settings), kind(settings)
    if isinstance(agent, DyingAgent):
        agent.server = server
    server.start()
    try:
        with in_thread(agent_server(agent, settings, "127.0.0.1")) as address:
            yield Replica(server, agent, address)
    finally:
        server.stop()


def put(store: ArtifactStore, asset: str, partition: str, seed: int) -> str:
    """Publishes a bundle; returns its id."""
    with store.publish(asset, partition) as draft:
        shutil.rmtree(draft.path)
        bundle = make_bundle(draft.path, seed=seed, items=50, users=20)
    return bundle.bundle_id


def test_a_bundle_goes_live_on_all_replicas_and_a_failed_replica_rolls_back_all(
    replicas: list[Replica], store: ArtifactStore, valkey: Settings, tmp_path: Path
) -> None:
    first = Bundle.open(store.get(LIVE_BUNDLE).path).bundle_id
    assert [one.answered_by() for one in replicas] == [first] * 3
    addresses, dying = [one.address for one in replicas], replicas[2]

    # Without the key, neither the agent nor the server changes models.
    candidate = Candidate("model_bundle", "2025-03-14", put(store, "model_bundle", "2025-03-14", seed=1))
    with pytest.raises(ActionableError, match="control key is missing or wrong"):
        promote(addresses, candidate, "guessed")
    without_key = replicas[0].agent.settings.model_copy(update={"triton_control_key": ""})
    with pytest.raises(ActionableError, match="control-key"):
        server_control.load(without_key)

    # One replica fails during the switch. The other two, even if one has switched already, return to the old bundle.
    with pytest.raises(
        ActionableError, match=rf"{candidate.bundle_id} is not live on any replica: .*{dying.address}/commit"
    ):
        promote(addresses, candidate, KEY)
    assert [one.answered_by() for one in replicas[:2]] == [first, first]
    assert [model_repository.versions(one.agent.models) for one in replicas[:2]] == [[1], [1]]

    # The other two are promoted without it. A pod that starts before the record is written runs the old bundle and is
    # not ready. It switches once the record is written.
    promote(addresses[:2], candidate, KEY)
    assert [one.answered_by() for one in replicas[:2]] == [candidate.bundle_id] * 2
    with running(tmp_path / "late", valkey) as late:
        assert late.live() == first
        assert probe(late, "/answers") == 200
        assert probe(late, "/ready") == 503
        replicas[0].agent.follow()  # no effect during a promotion, because the record is older than the promotion
        assert replicas[0].live() == candidate.bundle_id
        put(store, LIVE_BUNDLE, "all", seed=1)
        for one in (*replicas[:2], late):
            one.agent.follow()
        assert {one.answered_by() for one in (*replicas[:2], late)} == {candidate.bundle_id}
        assert probe(late, "/ready") == 200
        late.server.stop()
        assert probe(late, "/answers") == 503 == probe(late, "/ready")
        assert probe(late, "/alive") == 200


def test_the_error_for_a_service_without_addresses_has_its_name() -> None:
    with pytest.raises(ActionableError, match=r"(?s)nowhere.invalid has no addresses.*REC_TRITON_REPLICAS"):
        replicas_of(Settings(triton_replicas="nowhere.invalid"))
    assert replicas_of(Settings(triton_replicas="localhost", agent_port=8080)) == ["127.0.0.1:8080"]


@pytest.mark.parametrize("key", ["", "guessed"])
def test_an_agent_without_a_configured_key_refuses_all_clients(tmp_path: Path, key: str) -> None:
    settings = Settings(home=tmp_path, agent_port=free_port(), triton_grpc_port=free_port())
    with (
        in_thread(agent_server(Agent(settings), settings, "127.0.0.1")) as address,
        pytest.raises(ActionableError, match="control key is missing or wrong"),
    ):
        promote([address], Candidate("model_bundle", "2025-03-14", "abc"), key)


def test_the_error_for_a_missing_live_bundle_has_its_name(store: ArtifactStore, s3: S3, tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match="live_bundle has not been materialized"):
        pull_live(Settings(home=tmp_path / "pod", artifacts=f"s3://{BUCKET}/{tmp_path.name}"))


def probe(replica: Replica, path: str) -> int:
    try:
        with urlopen(f"http://{replica.address}{path}", timeout=30) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code
