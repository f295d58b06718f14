"""Kills real processes during their work: no recorded event is lost."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
import redis

from rec_assets.cli.local.valkey import Valkey
from rec_assets.cli.local.worker import Worker as LocalWorker
from rec_assets.common.errors import ActionableError
from rec_assets.features.history import LENGTH
from rec_assets.features.store import online
from rec_assets.realtime.behavior_log import BehaviorLog
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.trending import Trending
from rec_assets.serving.client import Client
from rec_assets.settings import Settings
from rec_assets_tests.realtime.conftest import MIDNIGHT, MORNING
from rec_assets_tests.realtime.state import backlog, drain, seen, state_of
from rec_assets_tests.servers import running_valkey
from rec_assets_tests.waiting import wait_until

pytestmark = pytest.mark.slow

USERS = [1, 2, 3, 4, 5]


@pytest.fixture
def own(tmp_path: Path, feature_files: tuple[Path, Path]) -> Iterator[Settings]:
    """A Valkey that a test may kill."""
    with running_valkey(tmp_path) as settings:
        online.apply(settings, *feature_files)
        online.materialize(settings, MIDNIGHT - timedelta(seconds=1), MIDNIGHT)
        yield settings


@contextmanager
def worker_process(settings: Settings) -> Iterator[subprocess.Popen[bytes]]:
    local = LocalWorker(settings)
    process = subprocess.Popen(local.command(), env=local.environment(), stdout=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_worker_killed_in_the_middle_leaves_nothing_undone(own: Settings) -> None:
    client, stream = Client(own), EventStream.connect(own)
    events = [(USERS[n % 5], n * 7 % 60, MORNING + n) for n in range(3000)]
    with worker_process(own) as first:
        wait_until(lambda: stream.state().workers)
        for user, item, at in events:
            client.record(user, [item], at)
        os.kill(first.pid, signal.SIGKILL)
    left = stream.state()
    assert 0 < left.waiting + left.taken < 3000, "the worker must be killed while events are left"
    drain(own, "successor", idle_ms=0)
    assert backlog(own) == 0
    state = state_of(own, USERS)
    newest_first = [[(item, at) for who, item, at in reversed(events) if who == user] for user in USERS]
    assert state.recent == [mine[:LENGTH] for mine in newest_first]
    assert sorted(row[:2] + row[3:4] for row in state.log) == sorted(events)
    assert sum(count for _, count in Trending.connect(own).top(100)) == pytest.approx(3000, rel=0.005)


def test_valkey_killed_and_restarted_mid_stream_loses_nothing_that_was_acknowledged(own: Settings) -> None:
    client, server, stream = Client(own), Valkey(own), EventStream.connect(own)
    reported = []
    with worker_process(own) as worker:
        wait_until(lambda: stream.state().workers)
        for number in range(2000):
            if number in (700, 1400):
                process = server.process.find()
                assert process is not None
                process.kill()
                process.wait(10)
                server.start()
            with suppress(ActionableError):  # after a broken connection, no event was acknowledged
                client.record(3, [number % 60], MORNING + number)
                reported.append(number)
        wait_until(lambda: stream.state().waiting + stream.state().taken == 0)
        assert worker.poll() is None, "the worker survives"
    log = BehaviorLog.of(own).read("2025-03-15")
    assert len(reported) > 1900
    assert {MORNING + number for number in reported} <= set(log["timestamp"].to_list())
    assert seen(own, 3, list(range(60))) == list(range(60))
    assert redis.Redis(own.host, own.valkey_port).xpending("events", "workers")["pending"] == 0  # type: ignore[no-untyped-call]
