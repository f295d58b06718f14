"""Fails runs whose process died. Otherwise they stay started and block queued runs.

For laptops only, where every run is a local process. On a cluster, Dagster's run monitoring watches the pods.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from threading import Event

from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter

from rec_assets.common.concurrency.background_thread import background_thread
from rec_assets.common.concurrency.loop import Loop
from rec_assets.common.concurrency.processes import find_process

INTERVAL_S = 30.0


def fail_orphaned_runs(instance: DagsterInstance) -> list[str]:
    """Marks started runs as failed if their process has died, frees their pool slots, and returns their ids.

    The process of a run is read from the run's log. A run that has not logged its process yet is skipped.
    """
    failed = []
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])):
        process = _process_of(instance, run.run_id)
        if process is not None and find_process(*process) is None:
            instance.report_run_failed(run, "The process of this run died: it was killed, or the machine restarted.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            failed.append(run.run_id)
    return failed


def failing_orphaned_runs(home: Path, interval_s: float = INTERVAL_S) -> AbstractContextManager[None]:
    """Calls `fail_orphaned_runs` every `interval_s` seconds in a background thread while the `with` block runs.

    Args:
        home: home folder that gets the state of the loop.
        interval_s: seconds between two calls.
    """

    def look() -> None:
        with DagsterInstance.get() as instance:
            fail_orphaned_runs(instance)

    def repeat(stop: Event) -> None:
        Loop("orphaned_runs", look, interval_s, home).run(stop)

    return background_thread(repeat)


def _process_of(instance: DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """Returns the last pid in the log of a run and the unix time of that log entry."""
    process = None
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.get_dagster_event()
        pid = event.engine_event_data.metadata.get("pid")
        if pid is not None:
            process = int(str(pid.value)), entry.timestamp
    return process
