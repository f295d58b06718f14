"""A killed run is marked as failed; a live run is not."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from dagster import DagsterInstance, DagsterRunStatus

from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.orchestration.runs.orphaned_runs import fail_orphaned_runs
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


def test_a_run_fails_after_its_process_died_and_not_before(sleeper: "subprocess.Popen[bytes]") -> None:
    with DagsterInstance.get() as instance:
        wait_until(lambda: has_logged_its_pid(instance))
        (run,) = instance.get_runs()
        assert fail_orphaned_runs(instance) == []
        os.kill(sleeper.pid, signal.SIGKILL)
        sleeper.wait()
        assert fail_orphaned_runs(instance) == [run.run_id]
        failed = instance.get_run_by_id(run.run_id)
        assert failed is not None and failed.status == DagsterRunStatus.FAILURE
        assert fail_orphaned_runs(instance) == []


def has_logged_its_pid(instance: DagsterInstance) -> bool:
    logs = [entry.message for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    return any("(pid: " in message for message in logs)
