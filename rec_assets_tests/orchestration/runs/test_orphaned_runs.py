"""A run that was killed is ended, so that nobody waits for it; one that runs is left alone."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.orchestration.runs.orphaned_runs import end_abandoned_runs
from rec_assets.settings import Settings
from rec_assets_tests.waiting import wait_until

SLEEPER = """
import time
from dagster import DagsterInstance, job, op

@op(pool="training")
def sleep():
    time.sleep(120)

@job
def sleeper():
    sleep()

with DagsterInstance.get() as instance:
    sleeper.execute_in_process(instance=instance)
"""


@pytest.fixture
def sleeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["subprocess.Popen[bytes]"]:
    monkeypatch.setenv("DAGSTER_HOME", "")
    prepare_dagster_home(Settings(home=tmp_path))
    with subprocess.Popen([sys.executable, "-c", SLEEPER], stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def test_a_run_is_ended_when_its_process_is_gone_and_not_before(sleeper: "subprocess.Popen[bytes]") -> None:
    with DagsterInstance.get() as instance:
        wait_until(lambda: said_who_it_is(instance))
        (run,) = instance.get_runs()
        assert end_abandoned_runs(instance) == []
        os.kill(sleeper.pid, signal.SIGKILL)
        sleeper.wait()
        assert end_abandoned_runs(instance) == [run.run_id]
        ended = instance.get_run_by_id(run.run_id)
        assert ended is not None and ended.status == DagsterRunStatus.FAILURE
        assert end_abandoned_runs(instance) == []


def said_who_it_is(instance: DagsterInstance) -> bool:
    logs = [entry.message for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    return any("(pid: " in message for message in logs)
