"""Background processes are found by pid file, ended with their children, and not confused with other processes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rec_assets.cli.local.processes import BackgroundProcess
from rec_assets_tests.waiting import wait_until

STUBBORN = "trap '' TERM; sleep 60 & echo ready; while true; do sleep 0.1; done"


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[BackgroundProcess]:
    process = BackgroundProcess("sleeper", tmp_path)
    process.spawn(["/bin/sleep", "60"], os.environ, {"REC_PORT": 1})
    yield process
    process.end(patience_s=0.2)


def test_a_spawned_process_is_found_with_its_ports_by_name_and_home_alone(sleeper: BackgroundProcess) -> None:
    again = BackgroundProcess("sleeper", sleeper.home)
    assert again.find() is not None
    assert again.ports() == {"REC_PORT": 1}


def test_it_outlives_the_program_that_started_it(tmp_path: Path) -> None:
    starter = (
        "import os, sys; from pathlib import Path; from rec_assets.cli.local.processes import BackgroundProcess;"
        "BackgroundProcess('late', Path(sys.argv[1])).spawn(['/bin/sleep', '60'], os.environ, {})"
    )
    subprocess.run([sys.executable, "-c", starter, str(tmp_path)], check=True)
    late = BackgroundProcess("late", tmp_path)
    assert late.find() is not None
    assert late.end()


def test_ending_it_removes_it_and_ending_it_again_says_that_it_did_not_run(sleeper: BackgroundProcess) -> None:
    assert sleeper.end()
    assert sleeper.find() is None
    assert not sleeper.end()


def test_a_process_that_ignores_the_request_is_ended_by_force_with_its_children(tmp_path: Path) -> None:
    stubborn = BackgroundProcess("stubborn", tmp_path)
    process = stubborn.spawn(["/bin/sh", "-c", STUBBORN], os.environ, {})
    wait_until(lambda: "ready" in stubborn.log_tail())
    children = process.children()
    assert stubborn.end(patience_s=0.2)
    assert children and not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_a_pid_that_another_program_got_is_left_alone(sleeper: BackgroundProcess) -> None:
    running = sleeper.find()
    assert running is not None
    record = json.loads(sleeper.pid_file.read_text())
    other = BackgroundProcess("other", sleeper.home)
    other.pid_file.write_text(json.dumps(record | {"started": record["started"] - 100}))
    assert other.find() is None
    assert not other.end()
    assert running.is_running()


def test_a_damaged_pid_file_counts_as_not_running(tmp_path: Path) -> None:
    process = BackgroundProcess("broken", tmp_path)
    process.pid_file.parent.mkdir()
    process.pid_file.write_text("{")
    assert process.find() is None


def test_the_log_of_the_run_before_is_kept_beside_the_new_one(tmp_path: Path) -> None:
    process = BackgroundProcess("echo", tmp_path)
    for word in ("first", "second"):
        process.spawn(["/bin/echo", word], os.environ, {}).wait(5)
    assert process.log_tail() == "    second"
    assert process.log_file.with_suffix(".previous.log").read_text() == "first\n"
