"""Sensors for new bundles and for new rules of the shop.

The promotion sensor decides on every new bundle, in order, from its gate report, and tries a failed promotion again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    EventLogRecord,
    JobDefinition,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from rec_assets.bundles.bundle import ASSETS
from rec_assets.bundles.gate_results import GateReport
from rec_assets.common.errors import ActionableError
from rec_assets.orchestration import jobs
from rec_assets.orchestration.dagster_internals import NOT_FINISHED_STATUSES
from rec_assets.orchestration.delivery import CANARY_JOB, CANARY_OP
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.settings import Settings

SECONDS_BETWEEN_TICKS = 30
_AT_ONCE = 100
# Pauses after failed promotions of one bundle, in minutes. A pod that starts, or a node that goes, takes minutes.
RETRY_AFTER_MIN = (1, 5, 15, 60, 240)
BUNDLE_TAG = "rec_assets/bundle"  # of a run that the sensor requests: id of the bundle and its materialization


@dataclass(frozen=True)
class BundleFacts:
    """Inputs of the decision on a new bundle.

    Attributes:
        name: asset and day, for messages.
        bundle_id: id of the bundle; None if the bundle cannot be opened.
        problem: reason why the bundle cannot be opened, for example because its day was materialized again.
        as_of: as-of day of the bundle.
        gate_report: gate report of the bundle; None before its gates have run.
        still_running: True if the run that made the bundle may still run its gates.
        live_id: id of the live bundle; None without one.
        live_as_of: as-of day of the live bundle; None without one.
        withdrawn: True if a rollback replaced this bundle, or one with the same models.
        failed: number of failed promotions of this materialization.
        failed_for: time since the last of them.
        canceled: True if a person stopped its promotion.
        canary: id of the candidate whose canary runs; empty without one.
        stopped: why its canary was stopped or its promotion rolled back; empty if neither was.
    """

    name: str
    bundle_id: str | None
    problem: str
    as_of: date
    gate_report: GateReport | None
    still_running: bool
    live_id: str | None
    live_as_of: date | None
    withdrawn: bool = False
    failed: int = 0
    failed_for: timedelta = timedelta()
    canceled: bool = False
    canary: str = ""
    stopped: str = ""


@dataclass(frozen=True)
class Decision:
    """The decision: `promote` the bundle, `wait` for the next tick, or skip the bundle for good (both False).

    With `retry`, the bundle waits to be tried again, and later bundles do not wait for it.
    """

    promote: bool
    wait: bool
    reason: str
    retry: bool = False


def decide(facts: BundleFacts) -> Decision:
    """Decides on one new bundle."""

    def skip(reason: str) -> Decision:
        return Decision(False, False, f"{facts.name}: {reason}")

    if facts.bundle_id is None:
        return skip(facts.problem)
    if facts.bundle_id == facts.live_id:
        return skip("is already live")
    if facts.stopped:
        return skip(f"was stopped ({facts.stopped}); `rec promote` promotes it anyway")
    if facts.withdrawn:
        return skip("was rolled back; `rec promote` promotes it anyway")
    if facts.live_as_of is not None and facts.as_of < facts.live_as_of:
        return skip(f"is older than the live bundle ({facts.live_as_of}); `rec promote` promotes it anyway")
    if facts.gate_report is None:
        if facts.still_running:
            return Decision(False, True, f"{facts.name}: waits for its gates")
        return skip("has no gate report; run its checks, then `rec promote`")
    if not facts.gate_report.passed:
        return skip(f"did not pass its gates: {'; '.join(facts.gate_report.reasons)}")
    if facts.canceled:
        return skip("its promotion was canceled; `rec promote` promotes it anyway")
    if facts.failed > len(RETRY_AFTER_MIN):
        return skip(f"its promotion failed {facts.failed} times; read the last run, then `rec promote`")
    if facts.failed and facts.failed_for < timedelta(minutes=RETRY_AFTER_MIN[facts.failed - 1]):
        minutes = RETRY_AFTER_MIN[facts.failed - 1]
        reason = f"{facts.name}: its promotion failed; tries again {minutes} minutes after the failure"
        return Decision(False, False, reason, retry=True)
    if facts.canary:
        return Decision(False, True, f"{facts.name}: waits for the end of the canary of {facts.canary}")
    return Decision(True, False, f"{facts.name}: passed its gates")


def promotion_sensor_of(canary: JobDefinition) -> SensorDefinition:
    """Builds the sensor that promotes new bundles, or starts their canary first."""
    return sensor(
        name="promotion_sensor",
        jobs=[jobs.promote, canary],
        minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
        default_status=DefaultSensorStatus.RUNNING,
        description="Promotes every new bundle that passed its gates, one at a time, in order of materialization.",
    )(next_promotion)


def next_promotion(
    context: SensorEvaluationContext, artifacts: Artifacts, settings: SettingsResource
) -> SensorResult | SkipReason:
    """Processes new bundles up to the first to promote or to wait for.

    The cursor is the last event that is settled together with all before it: live, or skipped for good. A bundle whose
    promotion runs or failed is not settled, so no bundle is lost with its run.
    """
    from rec_assets.serving.triton.own_server import require_own_triton

    require_own_triton(settings)
    instance = context.instance
    running = instance.get_run_records(RunsFilter(job_name=jobs.promote.name, statuses=NOT_FINISHED_STATUSES), limit=1)
    if running:
        return SkipReason(f"The promotion in run {running[0].dagster_run.run_id} is not finished.")
    cursor, reasons, settled = int(context.cursor or 0), [], True
    for event in new_bundles(instance, cursor):
        facts = facts_of(instance, artifacts, event)
        decision = decide(facts)
        reasons.append(decision.reason)
        if decision.wait:
            break
        if decision.promote:
            context.log.info("; ".join(reasons))
            return SensorResult(run_requests=[_request(settings, facts, event)], cursor=str(cursor))
        settled = settled and not decision.retry
        if settled:
            cursor = event.storage_id
    return SensorResult(skip_reason="; ".join(reasons) or "No new bundle.", cursor=str(cursor))


def _request(settings: Settings, facts: BundleFacts, event: EventLogRecord) -> RunRequest:
    """Returns the run that promotes a bundle, or starts its canary if a bundle is live to compare it with."""
    name, op, config = jobs.promote.name, "promotion", dict[str, object](bundle=facts.bundle_id)
    if settings.canary_share and facts.live_id is not None:
        name, op, config = CANARY_JOB, CANARY_OP, {**config, "share": settings.canary_share}
    tag = bundle_tag(facts.bundle_id, event)
    return RunRequest(
        run_key=f"{tag}-{facts.failed}",
        job_name=name,
        run_config={"ops": {op: {"config": config}}},
        tags={BUNDLE_TAG: tag},
    )


@sensor(
    job=jobs.rules_update,
    minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Records every new version of the shop's rules, which are live already.",
)
def rules_sensor(context: SensorEvaluationContext, artifacts: Artifacts) -> RunRequest | SkipReason:
    """Requests a run if the rules changed; the cursor is the digest of the last version."""
    current = artifacts.store().current("shop_rules")
    if current is None or current.digest == context.cursor:
        return SkipReason("The rules of the shop did not change.")
    context.update_cursor(current.digest)
    return RunRequest(run_key=current.digest)


def bundle_tag(bundle_id: str | None, event: EventLogRecord) -> str:
    """Returns the tag of the promotions of one materialization of a bundle."""
    return f"{bundle_id}-{event.storage_id}"


def new_bundles(instance: DagsterInstance, after: int) -> Iterator[EventLogRecord]:
    """Yields at most 100 materializations of bundles after the storage id `after`, in order."""
    records = [
        record
        for asset in ASSETS
        for record in instance.fetch_materializations(
            AssetRecordsFilter(asset_key=AssetKey(asset), after_storage_id=after), limit=_AT_ONCE, ascending=True
        ).records
    ]
    yield from sorted(records, key=lambda record: record.storage_id)[:_AT_ONCE]


def facts_of(instance: DagsterInstance, artifacts: Artifacts, event: EventLogRecord) -> BundleFacts:
    """Reads the facts about a materialized bundle from the artifact store and the run."""
    from rec_assets.bundles.canary_record import read_canary
    from rec_assets.bundles.gate_results import find_gate_report
    from rec_assets.bundles.live_record import find_live
    from rec_assets.serving.promotion.catalog import read_manifest

    store, materialization = artifacts.store(), event.asset_materialization
    assert materialization is not None
    asset, day = materialization.asset_key.path[-1], str(materialization.partition)
    artifact, live = store.current(asset, day), find_live(store)
    record = read_canary(store)
    bundle_id, withdrawn, stopped, problem = None, False, "", "was replaced by a later materialization"
    if artifact is not None and artifact.digest == materialization.metadata["digest"].value:
        try:
            manifest = read_manifest(store, artifact)
            bundle_id, withdrawn = manifest.bundle_id, live is not None and live.has_withdrawn(manifest)
            stopped = record.reason(manifest)
        except ActionableError as error:
            problem = error.problem
    run = instance.get_run_by_id(event.run_id)
    ended = instance.get_run_records(
        RunsFilter(tags={BUNDLE_TAG: bundle_tag(bundle_id, event)}), limit=2 * len(RETRY_AFTER_MIN)
    )
    failures = [one for one in ended if one.dagster_run.status == DagsterRunStatus.FAILURE]
    return BundleFacts(
        name=f"{asset} [{day}]",
        bundle_id=bundle_id,
        problem=problem,
        as_of=date.fromisoformat(day),
        gate_report=None if bundle_id is None else find_gate_report(store, bundle_id),
        still_running=run is not None and not run.is_finished,
        live_id=None if live is None else live.bundle_id,
        live_as_of=None if live is None else live.as_of,
        withdrawn=withdrawn,
        failed=len(failures),
        failed_for=datetime.now(UTC) - max((one.update_timestamp for one in failures), default=datetime.now(UTC)),
        canceled=any(one.dagster_run.status == DagsterRunStatus.CANCELED for one in ended),
        canary="" if record.running is None else record.running.bundle_id,
        stopped=stopped,
    )
