"""Schedules, in UTC; all are off until someone switches them on in the UI."""

from dagster import RunRequest, ScheduleDefinition, SkipReason, build_schedule_from_partitioned_job, schedule

from rec_assets.orchestration import jobs
from rec_assets.orchestration.partitions import daily

# Raw days are complete at midnight; two hours let late rows arrive.
DAILY_UPDATE_HOUR = 2
# Monday, when the day's fine-tune is done.
FULL_TRAINING_CRON = "0 5 * * 1"
# Sunday, when nothing else runs.
PRUNE_CRON = "0 8 * * 0"

daily_update = build_schedule_from_partitioned_job(
    jobs.daily_update,
    name="daily_update_schedule",
    hour_of_day=DAILY_UPDATE_HOUR,
    description="Yesterday: ingest, features, fine-tune, evaluation, bundle.",
)


@schedule(
    job=jobs.full_training,
    cron_schedule=FULL_TRAINING_CRON,
    execution_timezone="UTC",
    description="Once a week a full training as of yesterday: new vocabularies and vectors, a new chain of fine-tunes.",
)
def full_training_schedule() -> RunRequest | SkipReason:
    """Requests the last day that is over; says so where the source has no such day."""
    day = daily.get_last_partition_key()
    if day is None:
        return SkipReason("No day of this source is over yet.")
    return RunRequest(run_key=day, partition_key=day)


prune = ScheduleDefinition(
    name="prune_schedule",
    job=jobs.prune,
    cron_schedule=PRUNE_CRON,
    execution_timezone="UTC",
    description="Once a week artifacts of days before the newest REC_KEEP_DAYS are deleted.",
)

ALL = [daily_update, full_training_schedule, prune]
