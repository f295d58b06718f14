"""Runs whose process is gone: killed, they would count as running for ever, and others would wait for them.

On a laptop only, where runs are processes beside this one; on a cluster Dagster's run monitoring looks after pods.
"""

from contextlib import AbstractContextManager
from threading import Event

import psutil
from dagster import DagsterEventType, DagsterInstance, DagsterRunStatus, RunsFilter

from rec_assets.common.background_thread import background_thread

INTERVAL_S = 30.0


def end_abandoned_runs(instance: DagsterInstance) -> list[str]:
    """Marks started runs as failed whose process ended without a word; returns their ids.

    A run tells in its log which process executes it; one that told nothing yet is left alone.
    """
    ended = []
    for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING])):
        told = _process_of(instance, run.run_id)
        if told is not None and not _is_alive(*told):
            instance.report_run_failed(run, "Its process is gone: it was killed, or the machine went down.")
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            ended.append(run.run_id)
    return ended


def ending_abandoned_runs(interval_s: float = INTERVAL_S) -> AbstractContextManager[None]:
    """Ends them again and again from a thread of its own for as long as the block runs."""

    def look(stop: Event) -> None:
        with DagsterInstance.get() as instance:
            while True:
                end_abandoned_runs(instance)
                if stop.wait(interval_s):
                    return

    return background_thread(look)


def _process_of(instance: DagsterInstance, run_id: str) -> tuple[int, float] | None:
    """Returns pid and unix time of what a run told last of its process."""
    told = None
    for entry in instance.all_logs(run_id, of_type=DagsterEventType.ENGINE_EVENT):
        event = entry.get_dagster_event()
        pid = event.engine_event_data.metadata.get("pid")
        if pid is not None:
            told = int(str(pid.value)), entry.timestamp
    return told


def _is_alive(pid: int, told_at: float) -> bool:
    try:
        process = psutil.Process(pid)
        # A pid that is used again belongs to a process that began later.
        return process.create_time() <= told_at and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
