"""The job that starts a canary, and the sensor that ends it: by a promotion, or by a stop."""

from datetime import UTC, datetime

from dagster import (
    Config,
    DefaultSensorStatus,
    Failure,
    JobDefinition,
    OpExecutionContext,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SkipReason,
    job,
    op,
    sensor,
)
from pydantic import Field

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration import jobs
from rec_assets.orchestration.dagster_internals import NOT_FINISHED_STATUSES
from rec_assets.orchestration.declared import retries_of
from rec_assets.orchestration.op_tags import CPU, PROMOTION_POOL
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.settings import Settings

CANARY_JOB, CANARY_OP = "canary", "start_canary"
SECONDS_BETWEEN_LOOKS = 30


class CanaryConfig(Config):
    """The candidate and its shares."""

    bundle: str = Field("newest", description="A bundle id or its beginning, or 'newest'.")
    share: float = Field(0.05, ge=0, le=1, description="Share of the users who get the candidate's lists.")
    shadow: float = Field(0.0, ge=0, le=1, description="Share of the other requests that it answers in the shadow.")


def canary_job(settings: Settings) -> JobDefinition:
    """Builds the job `canary`. Its pod has the size of a cpu step."""

    # Users get a candidate only after it is recorded. So a second attempt begins anew, or finds the record and refuses
    # a second canary.
    @op(name=CANARY_OP, tags=CPU(settings), pool=PROMOTION_POOL, retry_policy=retries_of(settings))
    def start(
        context: OpExecutionContext, config: CanaryConfig, artifacts: Artifacts, settings: SettingsResource
    ) -> None:
        """Loads a candidate beside the live bundle and gives it a share of the users."""
        from rec_assets.serving.promotion.canary import start_canary

        try:
            start_canary(
                artifacts.store(), settings, config.bundle, context.log.info, share=config.share, shadow=config.shadow
            )
        except ActionableError as error:
            raise Failure(str(error), allow_retries=False) from error

    @job(name=CANARY_JOB)
    def canary() -> None:
        """Gives a share of the users a candidate bundle; `delivery_sensor` watches it."""
        start()

    return canary


@sensor(
    job=jobs.promote,
    minimum_interval_seconds=SECONDS_BETWEEN_LOOKS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Stops a canary that breaks an objective or promotes it after its time; rolls a bad promotion back.",
)
def delivery_sensor(
    context: SensorEvaluationContext, artifacts: Artifacts, settings: SettingsResource
) -> RunRequest | SkipReason:
    """Looks once, as `serving.promotion.watch`; a failed run is requested again a minute later."""
    from rec_assets.serving.promotion.watch import watch
    from rec_assets.serving.triton.own_server import require_own_triton

    require_own_triton(settings)
    unfinished = RunsFilter(job_name=jobs.promote.name, statuses=NOT_FINISHED_STATUSES)
    if running := context.instance.get_run_records(unfinished, limit=1):
        return SkipReason(f"The promotion in run {running[0].dagster_run.run_id} is not finished.")
    try:
        wanted = watch(artifacts.store(), settings)
    except ActionableError as error:  # a server does not answer now
        return SkipReason(error.problem)
    if wanted is None:
        return SkipReason("Nothing to promote or to roll back.")
    context.log.info(f"promotes {wanted.bundle_id}: {wanted.reason}")
    config = {"ops": {"promotion": {"config": {"bundle": wanted.bundle_id}}}}
    return RunRequest(run_key=f"{wanted.bundle_id}-{datetime.now(UTC):%Y%m%d%H%M}", run_config=config)
