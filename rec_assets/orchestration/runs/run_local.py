"""Materializes the graph in this process, phase by phase, leaving alone what is fresh."""

from dataclasses import dataclass
from datetime import timedelta

from dagster import AssetSelection, DagsterInstance, Definitions

from rec_assets.common.errors import ActionableError
from rec_assets.common.silence import silence_deprecations
from rec_assets.orchestration import jobs
from rec_assets.orchestration.build import build_defs
from rec_assets.orchestration.runs.console_logger import console, progress_logger
from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.orchestration.runs.orphaned_runs import end_abandoned_runs
from rec_assets.orchestration.runs.stale_assets import out_of_date
from rec_assets.settings import Settings
from rec_assets.storage.stores import open_store

PARTITION_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass(frozen=True)
class Phase:
    """Assets that are rebuilt in one run, for a range of days or for the as-of day alone."""

    job: str
    selection: AssetSelection
    days: list[str]


def phases(settings: Settings) -> list[Phase]:
    """From raw data to a bundle, in order."""
    history = (settings.as_of - settings.start_date).days + 1
    days = [(settings.start_date + timedelta(days=n)).isoformat() for n in range(history)]
    return [
        Phase("catalog", jobs.CATALOG, []),
        Phase("daily_data", jobs.DAILY, days),
        Phase("online_store", jobs.ONLINE, days[-1:]),
        Phase("full_training", jobs.FULL_TRAINING, days[-1:]),
    ]


def materialize_stale(settings: Settings) -> int:
    """Rebuilds what is missing or stale; returns the number of assets it materialized.

    Raises:
        ActionableError: a step failed; it has told why, and what was current before still is.
    """
    return rebuild(settings, phases(settings))


def rebuild(settings: Settings, wanted: list[Phase]) -> int:
    """Rebuilds what is missing or stale of some phases, in order; returns and raises as `materialize_stale`."""
    silence_deprecations()
    prepare_dagster_home(settings)
    defs = build_defs()
    with DagsterInstance.get() as instance:
        end_abandoned_runs(instance)
        return sum(_run(defs, instance, phase) for phase in wanted)


def _run(defs: Definitions, instance: DagsterInstance, phase: Phase) -> int:
    assets, days = out_of_date(defs, instance, phase.selection, phase.days)
    when = f" for {days[0]}" + (f" … {days[-1]}" if len(days) > 1 else "") if days else ""
    if not assets:
        console.print(f"[bold]{phase.job}[/]: fresh")
        return 0
    console.print(f"[bold]{phase.job}[/]: {len(assets)} assets{when}")
    job = defs.resolve_job_def(phase.job).with_logger_defs({"console": progress_logger})
    result = job.execute_in_process(
        instance=instance,
        asset_selection=assets,
        run_config={"loggers": {"console": {}}},
        tags=dict(zip(PARTITION_RANGE, (days[0], days[-1]), strict=True)) if days else None,
        raise_on_error=False,
    )
    if not result.success:
        raise ActionableError(
            f"{phase.job} failed; the reason is above.", "Mend it and run the command again: what is done is kept."
        )
    return len(assets)


def promote(settings: Settings, wanted: str) -> None:
    """Runs the job `promote` in this process, so that the UI shows it too.

    Args:
        settings: where everything is.
        wanted: a bundle, as `serving.promotion.catalog.resolve_bundle` takes it.

    Raises:
        ActionableError: it failed; it has told why, and what was live still is.
    """
    silence_deprecations()
    prepare_dagster_home(settings)
    job = build_defs().resolve_job_def(jobs.promote.name).with_logger_defs({"console": progress_logger})
    config = {"loggers": {"console": {}}, "ops": {"promotion": {"config": {"bundle": wanted}}}}
    with DagsterInstance.get() as instance:
        end_abandoned_runs(instance)
        if not job.execute_in_process(instance=instance, run_config=config, raise_on_error=False).success:
            raise ActionableError(
                "The promotion failed; the reason is above.", "What was live still is: see rec status and rec bundles."
            )


def promote_newest(settings: Settings) -> bool:
    """Promotes the newest bundle that passed its gates, unless it is live; returns whether it had to."""
    from rec_assets.serving.promotion.catalog import NEWEST, resolve_bundle
    from rec_assets.serving.triton import server_control

    newest = resolve_bundle(open_store(settings), settings, NEWEST).bundle_id
    if newest == server_control.answering_bundle(settings):
        return False
    promote(settings, newest)
    return True
