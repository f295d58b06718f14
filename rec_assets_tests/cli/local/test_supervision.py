"""Starts and stops all servers together; Triton is empty where a test needs no bundle."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from rec_assets.cli.local.supervision import down, services, status, up
from rec_assets.cli.local.supervisor import supervising
from rec_assets.cli.local.triton import Triton
from rec_assets.cli.local.valkey import Valkey
from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton.control import server as server_control
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port
from rec_assets_tests.waiting import wait_until


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Settings]:
    """Settings of servers that do not run yet; ends servers that run after the test."""
    ports = {f"{name}_port": free_port() for name in ("valkey", "triton_grpc", "triton_metrics")}
    settings = Settings.model_validate({"home": tmp_path, **ports})
    yield settings
    down(settings)


def test_two_ups_at_once_start_each_server_once_and_down_ends_all(empty: Settings) -> None:
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(up, [empty, empty])
    assert {name: first[name] + second[name] for name in first} == {
        "valkey": 1,
        "triton": 1,
        "worker": 1,
        "supervisor": 1,
    }
    assert [(server.state, server.detail) for server in status(empty)] == [
        ("running", "db0: 3 keys"),
        ("running", "nothing published yet"),
        ("running", "0 events waiting, 0 dead letters"),
        ("running", "works: all servers answer"),
    ]
    names = ["supervisor", "worker", "triton", "valkey"]
    assert down(empty) == dict.fromkeys(names, True)
    assert [server.state for server in status(empty)] == ["stopped"] * 4
    assert down(empty) == dict.fromkeys(names, False)


def test_services_ends_only_what_it_started(empty: Settings) -> None:
    Valkey(empty).start()
    with services(empty):
        assert [server.state for server in status(empty)] == ["running"] * 3 + ["stopped"]
    assert [server.state for server in status(empty)] == ["running"] + ["stopped"] * 3


def test_servers_that_up_wants_outlive_the_command_that_started_them(empty: Settings) -> None:
    with services(empty), supervising(empty):
        assert up(empty) == {"valkey": False, "triton": False, "worker": False, "supervisor": True}
    wait_until(lambda: [one.state for one in status(empty)] == ["running"] * 4)


def test_servers_of_another_machine_are_not_started_here(empty: Settings) -> None:
    with pytest.raises(ActionableError, match=r"REC_HOST=triton\.example"):
        up(empty.model_copy(update={"host": "triton.example"}))


@pytest.mark.slow
def test_a_model_whose_process_was_killed_shows_as_unhealthy_and_a_start_repairs_it(shop: Settings) -> None:
    server = status(shop)[1]
    for stub in psutil.Process(server.pid).children(recursive=True):
        with suppress(psutil.ZombieProcess):  # killed by an earlier test
            if any("feast_item_lookup" in part for part in stub.cmdline()):
                stub.kill()
    assert server_control.is_ready(shop)
    assert status(shop)[1].state == "unhealthy"
    assert Triton(shop).start()
    assert status(shop)[1].state == "running"
