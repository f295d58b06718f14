"""Killed processes of real models are loaded again while the server keeps running."""

import os
import signal
from typing import TypeVar

import psutil
import pytest

from rec_assets.cli.local import health_monitor
from rec_assets.cli.local.supervision import status
from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client
from rec_assets.serving.triton import server_control
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port
from rec_assets_tests.waiting import wait_until

NOON = 1_741_608_000
T = TypeVar("T")


def stub(settings: Settings, model: str) -> psutil.Process:
    """Returns the process of one model."""
    children = psutil.Process(status(settings)[1].pid).children(recursive=True)
    alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]
    return next(child for child in alive if any(model in word for word in child.cmdline()))


def answers(settings: Settings) -> bool:
    try:
        server_control.probe(settings)
    except ActionableError:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize(("topology", "model"), [(RECOMMENDER, "graph_runner"), (ENSEMBLE, "faiss_retrieval")])
def test_a_killed_process_comes_back_without_a_restart_of_the_server(
    shop: Settings, topology: str, model: str, caplog: pytest.LogCaptureFixture
) -> None:
    client, server = Client(shop, topology), status(shop)[1].pid
    before = client.recommend(7, "mobile", NOON)
    with health_monitor.health_monitor(shop, interval_s=0.2):
        os.kill(stub(shop, model).pid, signal.SIGKILL)
        after = wait_until(lambda: client.recommend(7, "mobile", NOON), ignore=ActionableError)
        wait_until(lambda: answers(shop))
    assert list(after) == list(before)
    assert status(shop)[1].pid == server
    assert f"loaded again: {model}" in caplog.text


@pytest.mark.slow
def test_where_nothing_is_dead_nothing_is_loaded(shop: Settings) -> None:
    assert list(health_monitor.reload_dead_models(shop)) == []


def test_servers_that_do_not_run_are_left_alone(shop: Settings) -> None:
    away = shop.model_copy(update={"triton_grpc_port": free_port()})
    assert list(health_monitor.reload_dead_models(away)) == []
