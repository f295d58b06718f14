"""The promotion sensor: takes every new bundle once, in order, and reads the results of its gates."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from dagster import (
    AssetKey,
    AssetRecordsFilter,
    DagsterInstance,
    DefaultSensorStatus,
    EventLogRecord,
    RunRequest,
    RunsFilter,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from rec_assets.bundles.bundle import ASSETS
from rec_assets.bundles.gate_results import GateReport
from rec_assets.common.errors import ActionableError
from rec_assets.orchestration import jobs
from rec_assets.orchestration.resources import Artifacts

SECONDS_BETWEEN_TICKS = 30
_AT_ONCE = 100


@dataclass(frozen=True)
class Facts:
    """Inputs of the decision on a new bundle.

    Attributes:
        name: for a person: asset and day.
        bundle_id: of the bundle that was made; None where there is a problem.
        problem: why it cannot be looked at, such as that its day was made again since.
        as_of: its day.
        verdict: what its gates found, None where nobody judged it yet.
        still_running: whether the run that made it may yet judge it.
        live_id, live_as_of: of the live bundle, None where there is none.
    """

    name: str
    bundle_id: str | None
    problem: str
    as_of: date
    verdict: GateReport | None
    still_running: bool
    live_id: str | None
    live_as_of: date | None


@dataclass(frozen=True)
class Decision:
    """`promote` it, leave it (`promote` false, the event is done with), or `wait` and look again at the next tick."""

    promote: bool
    wait: bool
    reason: str


def decide(facts: Facts) -> Decision:
    """Decides on one new bundle."""

    def leave(reason: str) -> Decision:
        return Decision(False, False, f"{facts.name}: {reason}")

    if facts.bundle_id is None:
        return leave(facts.problem)
    if facts.bundle_id == facts.live_id:
        return leave("is live already")
    if facts.live_as_of is not None and facts.as_of < facts.live_as_of:
        return leave(f"is older than the live bundle, which is of {facts.live_as_of}; `rec promote` takes it anyway")
    if facts.verdict is None:
        if facts.still_running:
            return Decision(False, True, f"{facts.name}: waits for its gates")
        return leave("was never judged: run its checks, then `rec promote`")
    if not facts.verdict.passed:
        return leave(f"did not pass its gates: {'; '.join(facts.verdict.reasons)}")
    return Decision(True, False, f"{facts.name}: passed its gates")


@sensor(
    job=jobs.promote,
    minimum_interval_seconds=SECONDS_BETWEEN_TICKS,
    default_status=DefaultSensorStatus.RUNNING,
    description="Promotes every new bundle that passed its gates, one after the other, in the order they were made.",
)
def promotion_sensor(context: SensorEvaluationContext, artifacts: Artifacts) -> SensorResult | SkipReason:
    """Goes through new bundles until one is to be promoted or has to be waited for; its cursor is the last one done."""
    instance = context.instance
    running = instance.get_run_records(RunsFilter(job_name=jobs.promote.name, statuses=NOT_FINISHED_STATUSES), limit=1)
    if running:
        return SkipReason(f"The promotion in run {running[0].dagster_run.run_id} comes first.")
    cursor, told = int(context.cursor or 0), []
    for event in new_bundles(instance, cursor):
        facts = facts_of(instance, artifacts, event)
        decision = decide(facts)
        told.append(decision.reason)
        if decision.wait:
            break
        cursor = event.storage_id
        if decision.promote:
            context.log.info("; ".join(told))
            config = {"ops": {"promotion": {"config": {"bundle": facts.bundle_id}}}}
            request = RunRequest(run_key=f"{facts.bundle_id}-{event.storage_id}", run_config=config)
            return SensorResult(run_requests=[request], cursor=str(cursor))
    return SensorResult(skip_reason="; ".join(told) or "No new bundle.", cursor=str(cursor))


def new_bundles(instance: DagsterInstance, after: int) -> Iterator[EventLogRecord]:
    """Yields the materializations of bundles after a storage id, in order."""
    records = [
        record
        for asset in ASSETS
        for record in instance.fetch_materializations(
            AssetRecordsFilter(asset_key=AssetKey(asset), after_storage_id=after), limit=_AT_ONCE, ascending=True
        ).records
    ]
    yield from sorted(records, key=lambda record: record.storage_id)[:_AT_ONCE]


def facts_of(instance: DagsterInstance, artifacts: Artifacts, event: EventLogRecord) -> Facts:
    """Looks up what is known of a materialized bundle."""
    from rec_assets.bundles.bundle import Bundle
    from rec_assets.bundles.gate_results import find_gate_report
    from rec_assets.bundles.live_record import find_live

    store, materialization = artifacts.store(), event.asset_materialization
    assert materialization is not None
    asset, day = materialization.asset_key.path[-1], str(materialization.partition)
    artifact, live = store.find(asset, day), find_live(store)
    bundle_id, problem = None, "was made again since"
    if artifact is not None and artifact.digest == materialization.metadata["digest"].value:
        try:
            bundle_id = Bundle.open(artifact.path).bundle_id
        except ActionableError as error:
            problem = error.problem
    run = instance.get_run_by_id(event.run_id)
    return Facts(
        name=f"{asset} [{day}]",
        bundle_id=bundle_id,
        problem=problem,
        as_of=date.fromisoformat(day),
        verdict=None if bundle_id is None else find_gate_report(store, bundle_id),
        still_running=run is not None and not run.is_finished,
        live_id=None if live is None else live.bundle_id,
        live_as_of=None if live is None else live.as_of,
    )


ALL = [promotion_sensor]
