"""The job that deletes people whom the HTTP API retired, and the sensor that starts it and trains again afterwards."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from dagster import (
    AssetKey,
    DagsterRunStatus,
    DefaultSensorStatus,
    JobDefinition,
    OpExecutionContext,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    job,
    op,
    sensor,
)

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration import jobs
from rec_assets.orchestration.dagster_internals import NOT_FINISHED_STATUSES
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import model_days
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.settings import Settings
from rec_assets.sources import Codes
from rec_assets.storage.artifacts.store import ArtifactStore

JOB = "forget_people"
SECONDS_BETWEEN_LOOKS = 60
RETRY_AFTER = timedelta(hours=1)
MASKED_DAYS = "masked_train_set"


def forget_people_job(settings: Settings) -> JobDefinition:
    """Builds the job `forget_people`. Its pod has the size of a cpu step."""

    @op(tags=CPU(settings))
    def delete_retired_people(context: OpExecutionContext, settings: SettingsResource) -> None:
        """Deletes all that is left of retired people, one after the other, as `rec forget-person` does."""
        from rec_assets.orchestration.forgotten.person import forget, waiting_people

        for person in waiting_people(settings):
            online, offline = forget(settings, person, int(time.time()), context.instance)
            changed = ", ".join(f"{asset}: {len(days)}" for asset, days in offline.items())
            context.log.info(
                f"Deleted a person: {sum(online.values())} online entries; partitions: {changed or 'none'}"
            )

    @job(name=JOB)
    def forget_people() -> None:
        """Deletes all that is left of people whom the HTTP API retired."""
        delete_retired_people()

    return forget_people


def forgotten_sensor_of(forget_people: JobDefinition) -> SensorDefinition:
    """Builds the sensor that deletes retired people, makes the deleted days again, and starts a full training."""
    return sensor(
        name="forgotten_sensor",
        jobs=[forget_people, jobs.daily_data, jobs.full_training],
        minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Deletes people whom the API retired; after each deletion, makes deleted sets again and trains.",
    )(next_step)


def next_step(
    context: SensorEvaluationContext, artifacts: Artifacts, settings: SettingsResource
) -> SensorResult | SkipReason:
    """Requests the first of the three steps that is left, while no other run is in progress.

    Such a run may publish rows that it read before a deletion. A failed step is requested again: a deletion an hour
    later, the others after the next deletion or for a newer day.
    """
    if running := context.instance.get_run_records(RunsFilter(statuses=NOT_FINISHED_STATUSES), limit=1):
        return SkipReason(f"Run {running[0].dagster_run.run_id} is not finished.")
    try:
        people = _waiting(settings)
    except ActionableError as error:  # the training does not need Valkey
        context.log.warning(f"{error.problem} Deletions wait.")
        people = []
    if people:
        failed = RunsFilter(
            job_name=JOB, statuses=[DagsterRunStatus.FAILURE], created_after=datetime.now(UTC) - RETRY_AFTER
        )
        if context.instance.get_run_records(failed, limit=1):
            return SkipReason(f"{JOB} failed; tries again an hour after its start.")
        return SensorResult(run_requests=[RunRequest(job_name=JOB)])
    requests = list(rebuild_requests(artifacts.store(), settings))
    return SensorResult(run_requests=requests) if requests else SkipReason("Nothing of a deletion is left to do.")


def rebuild_requests(store: ArtifactStore, settings: Settings) -> Iterator[RunRequest]:
    """Yields the runs that make the sets again that a deletion removed: the days first, then the training.

    Yields none where nobody was deleted, where no model was trained, and where nothing is missing.
    """
    codes, trained = store.find("id_codes"), store.partitions("dlrm_model")
    if codes is None or not trained or not Codes.load(codes.path).forgotten:
        return
    landed = store.partitions("joined_interactions")
    days = missing_days(landed, store.partitions(MASKED_DAYS), model_days(settings) + 1)
    for day in days:
        yield RunRequest(
            run_key=f"{MASKED_DAYS}-{day}-{codes.digest}",
            job_name=jobs.daily_data.name,
            partition_key=day,
            asset_selection=[AssetKey(MASKED_DAYS)],
        )
    if not days and landed and trained[-1] not in store.partitions("nvt_workflows"):
        yield RunRequest(
            run_key=f"{jobs.full_training.name}-{landed[-1]}-{codes.digest}",
            job_name=jobs.full_training.name,
            partition_key=landed[-1],
        )


def missing_days(landed: Sequence[str], made: Sequence[str], length: int) -> list[str]:
    """Returns those of the last `length` landed days that were not made, in order."""
    return [day for day in landed[-length:] if day not in set(made)]


def _waiting(settings: Settings) -> list[int]:
    from rec_assets.realtime.stores.retired_users import RetiredUsers
    from rec_assets.storage.valkey.client import connect, translate_redis_errors

    client = connect(settings)
    with translate_redis_errors(client):
        return RetiredUsers(client).waiting()
