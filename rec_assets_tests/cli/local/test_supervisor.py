"""Real servers that are killed, paused, stopped on purpose or fail again and again, under a supervisor."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli.local.server import SLOW_S
from rec_assets.cli.local.supervision import down, services, status, stopped_on_purpose
from rec_assets.cli.local.supervisor import Supervisor, supervising
from rec_assets.cli.local.triton import SHARED_MEMORY, Triton
from rec_assets.cli.local.valkey import Valkey
from rec_assets.common.concurrency.loop import loop_state
from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client
from rec_assets.serving.triton import model_config, model_repository
from rec_assets.settings import Settings
from rec_assets_tests.cli.local.test_server import Failing
from rec_assets_tests.servers import free_port, running_valkey
from rec_assets_tests.waiting import wait_until

NOON = 1_741_608_000


def pid(settings: Settings) -> int | None:
    return Valkey(settings).status().pid


def test_a_killed_and_a_paused_server_come_back_with_their_data(tmp_path: Path) -> None:
    with running_valkey(tmp_path) as settings:
        client, supervisor = redis.Redis(port=settings.valkey_port), Supervisor(settings, [Valkey(settings)])
        client.set("kept", 1)
        assert supervisor.round() == "all servers answer"
        for number in (signal.SIGKILL, signal.SIGSTOP):
            before = pid(settings)
            assert before
            os.kill(before, number)
            wait_until(lambda: supervisor.round() and Valkey(settings).is_well())
            assert pid(settings) != before and client.get("kept") == b"1"
        assert supervisor.round() == "valkey restarted 2 times"


def test_a_server_that_is_only_slow_is_not_restarted_before_it_is_slow_for_long(tmp_path: Path) -> None:
    with running_valkey(tmp_path) as settings:
        supervisor, before = Supervisor(settings, [Valkey(settings)]), pid(settings)
        redis.Redis(port=settings.valkey_port).client_pause(600_000)  # accepts connections and answers nothing
        assert supervisor.round() == "all servers answer" and pid(settings) == before
        care = supervisor._care["valkey"]
        assert care.slow_since is not None
        care.slow_since -= SLOW_S
        assert supervisor._is_due(Valkey(settings))
        assert before
        os.kill(before, signal.SIGKILL)
        assert supervisor.round() == "valkey restarted 1 times" and care.slow_since is None


def test_a_server_whose_port_is_closed_is_broken(tmp_path: Path) -> None:
    with running_valkey(tmp_path) as settings:
        moved = Valkey(settings.model_copy(update={"valkey_port": free_port()}))
        assert (Valkey(settings).health(), moved.health()) == ("well", "broken")


def test_a_server_that_was_stopped_on_purpose_stays_stopped(tmp_path: Path) -> None:
    with running_valkey(tmp_path) as settings:
        supervisor = Supervisor(settings, [Valkey(settings)])
        down(settings)
        assert stopped_on_purpose(settings)
        assert supervisor.round() == "servers are stopped on purpose"
        assert pid(settings) is None


def test_a_server_that_fails_again_and_again_is_tried_with_growing_pauses(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, valkey_port=free_port())
    server = Failing(settings)
    server.process.spawn(server.command(), os.environ, server.ports()).wait()
    supervisor = Supervisor(settings, [server])
    care = supervisor._care["failing"]
    with pytest.raises(ActionableError, match="ended while starting"):
        supervisor.round()
    first = care.pause_s
    assert supervisor.round() == "failing restarted 1 times"  # too early for the next attempt
    care.next_restart = 0.0
    with pytest.raises(ActionableError):
        supervisor.round()
    assert care.pause_s == 2 * first


@pytest.fixture
def supervised(
    shop_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Settings]:
    """Settings of running servers under a supervisor, with one topology, because the other has 14 more processes."""
    monkeypatch.delitem(model_config.TOPOLOGIES, model_config.ENSEMBLE)
    monkeypatch.setattr(model_config, "LIVE", (model_config.RECOMMENDER,))
    ports = {f"{name}_port": free_port() for name in ("valkey", "triton_grpc", "triton_metrics")}
    home = tmp_path_factory.mktemp("supervised")
    settings = Settings.model_validate({"home": home, "retrieval_topk": 30, "ranking_topk": 10, **ports})
    models = model_repository.repository_path(settings)
    model_repository.switch(models, model_repository.publish(shop_bundle, models, settings=settings))
    with services(settings), supervising(settings):
        yield settings


@pytest.mark.slow
def test_a_paused_stub_a_killed_server_and_a_killed_valkey_leave_nothing_behind(supervised: Settings) -> None:
    client = Client(supervised)
    before = list(client.recommend(7, "mobile", NOON))

    def answers() -> bool:
        return list(client.recommend(7, "mobile", NOON)) == before

    server = wait_until(lambda: Triton(supervised).process.find())
    assert server is not None
    paused = Triton(supervised).model_processes("graph_runner")[0]
    paused.send_signal(signal.SIGSTOP)  # continued after a failed request, it would make the server abort
    wait_until(lambda: not paused.is_running() or paused.status() == psutil.STATUS_ZOMBIE)
    wait_until(lambda: all(one.state == "running" for one in status(supervised)), seconds=120)
    wait_until(answers, ignore=ActionableError)
    assert Triton(supervised).process.find() == server

    family = Triton(supervised).process.family()
    server.kill()
    wait_until(lambda: any(words in problem(client) for words in ("it is starting", "is loading")))
    Valkey(supervised).process.find().kill()  # type: ignore[union-attr]
    wait_until(lambda: all(one.state == "running" for one in status(supervised)), seconds=180)
    wait_until(answers, ignore=ActionableError)
    assert not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family)
    used = {Path(word).name for one in Triton(supervised).process.family() for word in one.cmdline()}
    assert {file.name for file in SHARED_MEMORY.glob(f"{Triton(supervised)._segments}*")} <= used


def problem(client: Client) -> str:
    """Returns the problem of a request; empty if it is answered."""
    try:
        client.recommend(7, "mobile", NOON)
    except ActionableError as error:
        return error.problem
    return ""


def test_the_supervisor_ends_with_its_block_and_starts_only_what_was_started_before(tmp_path: Path) -> None:
    with running_valkey(tmp_path) as settings:
        with supervising(settings):
            wait_until(lambda: (state := loop_state(tmp_path, "supervisor")) is not None and state.note)
        assert [one.state for one in status(settings)] == ["running", "stopped", "stopped", "stopped"]
    state = loop_state(tmp_path, "supervisor")
    assert state is not None and state.stopped and not state.is_alive
