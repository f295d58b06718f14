"""Killed and unloaded models of a real server are loaded again while the server keeps running."""

import os
import signal

import pytest

from rec_assets.cli.local.supervision import status
from rec_assets.cli.local.triton import Triton
from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client
from rec_assets.serving.triton.control import probe
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.control.calls import ServerTimeoutError
from rec_assets.serving.triton.control.repair import reload_dead_models
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port
from rec_assets_tests.waiting import wait_until

NOON = 1_741_608_000


@pytest.mark.slow
@pytest.mark.parametrize(("topology", "model"), [(RECOMMENDER, "graph_runner"), (ENSEMBLE, "faiss_retrieval")])
def test_a_killed_process_comes_back_without_a_restart_of_the_server(shop: Settings, topology: str, model: str) -> None:
    client, server = Client(shop, topology), status(shop)[1].pid
    before, running = client.recommend(7, "mobile", NOON), Triton(shop).model_processes(model)
    os.kill(running[0].pid, signal.SIGKILL)
    wait_until(lambda: Triton(shop).health() == "broken")
    assert Triton(shop).mend() == f"loaded again: {model}"
    assert list(client.recommend(7, "mobile", NOON)) == list(before)
    assert status(shop)[1].pid == server
    # Triton ends the processes of its earlier loads with a delay.
    after = wait_until(lambda: found if len(found := Triton(shop).model_processes(model)) == len(running) else [])
    assert not {one.pid for one in running} & {one.pid for one in after}, "Triton kept processes of the first load"


@pytest.mark.slow
@pytest.mark.parametrize("topology", [RECOMMENDER, ENSEMBLE])
def test_an_unloaded_topology_comes_back(shop: Settings, topology: str) -> None:
    server_control.unload(shop, topology)
    with pytest.raises(ActionableError, match=f"does not serve {topology}, although version"):
        Client(shop, topology).recommend(7)
    assert topology in reload_dead_models(shop)
    assert len(Client(shop, topology).recommend(7)) == 10


@pytest.mark.slow
def test_a_server_that_does_not_answer_in_time_is_slow_and_nothing_is_loaded(
    shop: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = Triton(shop).model_processes("graph_runner")
    monkeypatch.setattr(probe, "PROBE_TIMEOUT_S", 1e-6)
    assert Triton(shop).health() == "slow"
    with pytest.raises(ServerTimeoutError):
        reload_dead_models(shop)
    assert Triton(shop).model_processes("graph_runner") == running


@pytest.mark.slow
def test_where_nothing_is_dead_nothing_is_loaded(shop: Settings) -> None:
    assert reload_dead_models(shop) == []


def test_servers_that_do_not_run_are_left_alone(shop: Settings) -> None:
    assert reload_dead_models(shop.model_copy(update={"triton_grpc_port": free_port()})) == []
