"""Tests promotion to real Tritons with agents. Only clients with the control key can change models.

`rec_assets_tests.deploy.test_walk` tests a replica that joins during a promotion, and one that dies.
"""

from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from rec_assets.bundles.live_record import find_live
from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client
from rec_assets.serving.promotion import replicas
from rec_assets.serving.promotion.agent import Agent
from rec_assets.serving.promotion.agent_server import agent_server
from rec_assets.serving.promotion.canary import route_of, start_canary
from rec_assets.serving.promotion.promote import promote
from rec_assets.serving.promotion.protocol import Candidate
from rec_assets.serving.promotion.watch import watch
from rec_assets.serving.triton import model_config, model_repository
from rec_assets.serving.triton.control import server as server_control
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.stores import open_store
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.servers import free_port, in_thread
from rec_assets_tests.serving.pods import Pods, follow
from rec_assets_tests.serving.stored_bundles import add
from rec_assets_tests.serving.synthetic import AS_OF
from rec_assets_tests.waiting import wait_until


@pytest.mark.slow
def test_the_first_bundle_and_later_ones_go_live_on_all_replicas(
    s3: S3, valkey: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Leaves only the topology with one process: the other one has 14 more processes per version and replica.
    monkeypatch.delitem(model_config.TOPOLOGIES, model_config.ENSEMBLE)
    monkeypatch.setattr(model_config, "LIVE", (model_config.RECOMMENDER,))
    cluster = Pods(tmp_path, f"s3://{BUCKET}/{tmp_path.name}", valkey)
    store = open_store(cluster.settings("operator"))
    first, second, third = (add(store, number).bundle_id for number in range(1, 4))

    with ExitStack() as ends:
        pods = [ends.enter_context(cluster.running(name)) for name in ("one", "two")]
        operator = cluster.operator(pods)

        def promote_it(bundle_id: str, settings: Settings = operator) -> None:
            promote(store, settings, bundle_id, lambda line: None)

        # Without a live bundle, servers run and wait. The first bundle is recorded, and the agents follow the record.
        for pod in pods:
            assert pod.agent.follow() == "no bundle was promoted yet"
            assert [pod.probe(path) for path in ("/alive", "/serves", "/ready")] == [200, 200, 503]
        promote_it(first)
        follow(pods)
        assert [pod.answered_by() for pod in pods] == [first] * 2
        assert [pod.probe("/ready") for pod in pods] == [200] * 2

        # Without the key, neither the agent nor the server changes models.
        with pytest.raises(ActionableError, match="control key is missing or wrong"):
            promote_it(second, operator.model_copy(update={"triton_control_key": ""}))
        with pytest.raises(ActionableError, match="control-key"):
            server_control.load(pods[0].agent.settings.model_copy(update={"triton_control_key": ""}))

        # Between the steps of a promotion, the agent neither returns to the record nor deletes what was prepared.
        agent, day = pods[0].agent, (AS_OF + timedelta(days=2)).isoformat()
        agent.prepare(Candidate("finetuned_bundle", day, store.get("finetuned_bundle", day).digest, second))
        assert agent.follow() == f"bundle {second} is being promoted"
        agent.commit(second)
        assert agent.follow() == f"bundle {second} is being promoted"
        assert agent.live() == second
        agent.abort(second)
        assert pods[0].answered_by() == first

        # A canary is loaded by every pod that follows the record, and a promotion ends it.
        canary = start_canary(store, operator, second, lambda line: None, share=0.5)
        assert [server_control.candidate_id(pod.agent.settings) for pod in pods] == [None] * 2
        clients = [Client(pod.agent.settings) for pod in pods]
        users = {route_of(canary).has(user): user for user in range(1, 99)}
        assert {client.recommend(users[True]).bundle_id for client in clients} == {first}, (
            "until the pods have loaded it"
        )
        follow(pods)
        assert {client.recommend(users[True]).bundle_id for client in clients} == {second}
        assert {client.recommend(users[False]).bundle_id for client in clients} == {first}
        counted = replicas.counters(replicas.replicas_of(operator))
        assert counted[second]["graph_runner"].answers >= 2
        assert watch(store, operator) is None
        promote_it(second)
        follow(pods)
        assert [server_control.candidate_id(pod.agent.settings) for pod in pods] == [None] * 2

        # After every promotion the live bundle and the previous one are loaded and kept, and no other.
        for bundle_id in (second, third, second, third):
            promote_it(bundle_id)
            follow(pods)
            assert [pod.answered_by() for pod in pods] == [bundle_id] * 2
        for pod in pods:
            models = pod.agent.models
            kept = model_repository.versions(models)
            assert {model_repository.bundle_id(models, version) for version in kept} == {second, third}
            assert wait_until(lambda: server_control.loaded_versions(pod.agent.settings) == set(kept))  # noqa: B023
            assert len(list((models / ".bundles").iterdir())) == 2
            assert not list((pod.agent.settings.artifacts_dir / "finetuned_bundle").glob("*/[!.]*"))

        # Where no pod can test a bundle, only one that was live before is promoted.
        for pod in pods:
            pod.server.stop()
        assert [pods[0].probe(path) for path in ("/alive", "/serves", "/answers", "/ready")] == [200, 503, 503, 503]
        with pytest.raises(ActionableError, match="None of 2 replicas is ready to test bundle"):
            promote_it(add(store, 4).bundle_id)
        promote_it("previous")
        live = find_live(store)
        assert live is not None and live.bundle_id == second


def test_the_error_for_a_service_without_addresses_has_its_name() -> None:
    with pytest.raises(ActionableError, match=r"(?s)nowhere.invalid has no addresses.*REC_TRITON_REPLICAS"):
        replicas.replicas_of(Settings(triton_replicas="localhost,nowhere.invalid"))
    settings = Settings(triton_replicas="localhost, 127.0.0.2", agent_port=8080)
    assert replicas.replicas_of(settings) == ["127.0.0.1:8080", "127.0.0.2:8080"]


@pytest.mark.parametrize("key", ["", "guessed"])
def test_an_agent_without_a_configured_key_refuses_all_clients(tmp_path: Path, key: str) -> None:
    settings = Settings(home=tmp_path, agent_port=free_port(), triton_grpc_port=free_port())
    with (
        in_thread(agent_server(Agent(settings), settings, "127.0.0.1")) as address,
        pytest.raises(ActionableError, match="control key is missing or wrong"),
    ):
        replicas.promote([address], Candidate("model_bundle", "2025-03-14", "", "abc"), key)
