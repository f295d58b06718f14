"""Schedules, in UTC; all are off until someone switches them on in the UI."""

from dagster import RunRequest, ScheduleDefinition, SkipReason, build_schedule_from_partitioned_job, schedule

from rec_assets.orchestration import jobs
from rec_assets.orchestration.partitions import daily

# Raw days are complete at midnight; two hours let late rows arrive.
EVERY_DAY_HOUR = 2
# Monday, when the day's fine-tune is done.
FULL_TRAINING_CRON = "0 5 * * 1"
# Sunday, when nothing else runs.
TIDY_CRON = "0 8 * * 0"

every_day = build_schedule_from_partitioned_job(
    jobs.every_day,
    name="every_day_schedule",
    hour_of_day=EVERY_DAY_HOUR,
    description="Yesterday: ingest, features, fine-tune, verdict, bundle.",
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


tidy = ScheduleDefinition(
    name="tidy_schedule",
    job=jobs.tidy,
    cron_schedule=TIDY_CRON,
    execution_timezone="UTC",
    description="Once a week artifacts of days before the newest REC_KEEP_DAYS go.",
)

ALL = [every_day, full_training_schedule, tidy]
