"""Schedules, in UTC. All are off until an operator starts them in the UI."""

from typing import Any

from dagster import (
    JobDefinition,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SkipReason,
    build_schedule_from_partitioned_job,
    schedule,
)

from rec_assets.orchestration import jobs
from rec_assets.orchestration.dagster_internals import NOT_FINISHED_STATUSES
from rec_assets.orchestration.partitions import daily, day_after, outcome_days
from rec_assets.settings import Settings

# Raw days are complete at midnight. Two more hours leave time for late rows.
DAILY_UPDATE_HOUR = 2
CATALOG_UPDATE_CRON = "30 * * * *"
# After the daily update of yesterday, whose rows are the last outcomes of the day before.
OUTCOME_UPDATE_CRON = "0 6 * * *"
# Monday, after the fine-tune of the day.
FULL_TRAINING_CRON = "0 5 * * 1"
# Sunday, when no other schedule runs.
PRUNE_CRON = "0 8 * * 0"


def schedules_of(settings: Settings, prune: JobDefinition) -> list[Any]:
    """Returns all schedules.

    Args:
        settings: determine the partitions.
        prune: the job that deletes expired artifacts.
    """

    @schedule(
        job=jobs.full_training,
        cron_schedule=FULL_TRAINING_CRON,
        execution_timezone="UTC",
        description="Trains once a week as of yesterday, with new vocabularies and vectors. Starts a fine-tune chain.",
    )
    def full_training_schedule() -> RunRequest | SkipReason:
        """Requests a run for the last completed day; skips if no day of the source is complete."""
        day = daily(settings).get_last_partition_key()
        if day is None:
            return SkipReason("No day of this source is complete yet.")
        return RunRequest(run_key=day, partition_key=day)

    @schedule(
        job=jobs.catalog_update,
        cron_schedule=CATALOG_UPDATE_CRON,
        execution_timezone="UTC",
        description="Reads the catalog every hour, so that withdrawn items and new prices count between daily updates.",
    )
    def catalog_update_schedule(context: ScheduleEvaluationContext) -> RunRequest | SkipReason:
        """Requests a run; skips while another job reads the catalog, because all its steps need the same one."""
        names = [one.name for one in (jobs.daily_update, jobs.full_training, jobs.catalog_update)]
        for name in names:
            if context.instance.get_run_records(RunsFilter(job_name=name, statuses=NOT_FINISHED_STATUSES), limit=1):
                return SkipReason(f"A run of {name} is not finished.")
        return RunRequest()

    @schedule(
        job=jobs.outcome_update,
        cron_schedule=OUTCOME_UPDATE_CRON,
        execution_timezone="UTC",
        description="Outcomes of the lists of the last day whose window has ended, with interactions of the next days.",
    )
    def outcome_update_schedule() -> RunRequest | SkipReason:
        """Requests a run for the day whose interactions have all landed; skips if there is none."""
        last = daily(settings).get_last_partition_key()
        day = None if last is None else day_after(last, -outcome_days(settings))
        if day is None or day < settings.start_date.isoformat():
            return SkipReason(f"No day of this source is {settings.outcome_window_hours} hours before the last one.")
        return RunRequest(run_key=day, partition_key=day)

    daily_update = build_schedule_from_partitioned_job(
        jobs.daily_update,
        name="daily_update_schedule",
        hour_of_day=DAILY_UPDATE_HOUR,
        description="Ingest, features, fine-tune, evaluation and bundle of yesterday.",
    )
    pruning = ScheduleDefinition(
        name="prune_schedule",
        job=prune,
        cron_schedule=PRUNE_CRON,
        execution_timezone="UTC",
        description="Deletes artifacts of days before the newest REC_KEEP_DAYS once a week.",
    )
    return [daily_update, outcome_update_schedule, catalog_update_schedule, full_training_schedule, pruning]
