"""Materializes missing and stale assets in this process, phase by phase. Fresh assets are not rebuilt."""

from dataclasses import dataclass
from datetime import date, timedelta

from dagster import AssetSelection, DagsterInstance, Definitions

from rec_assets.common.errors import ActionableError
from rec_assets.common.silence import silence_deprecations
from rec_assets.orchestration import jobs
from rec_assets.orchestration.build import build_defs
from rec_assets.orchestration.runs.console_logger import console, progress_logger
from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.orchestration.runs.orphaned_runs import fail_orphaned_runs
from rec_assets.orchestration.runs.record_writes import cheap_record_writes
from rec_assets.orchestration.runs.stale_assets import out_of_date
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.stores import open_store

PARTITION_RANGE = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")


@dataclass(frozen=True)
class Phase:
    """Assets that are rebuilt in one run.

    Attributes:
        job: name of the job.
        selection: the assets of the job.
        days: partition keys in order; empty for unpartitioned assets.
    """

    job: str
    selection: AssetSelection
    days: list[str]


def phases(settings: Settings) -> list[Phase]:
    """Returns the phases from raw data to a bundle, in order."""
    days = _days(settings.start_date, settings.as_of)
    return [
        Phase("catalog", jobs.CATALOG, []),
        Phase("daily_data", jobs.DAILY, days),
        Phase("online_store", jobs.ONLINE, days[-1:]),
        Phase("full_training", jobs.FULL_TRAINING, days[-1:]),
    ]


def backfill_phases(settings: Settings, last: date) -> list[Phase]:
    """Returns the phases that build all days after the last full training up to `last`, in order.

    Days are never left out, because each fine-tune starts from the day before.

    Raises:
        ActionableError: `last` is not a day of the source, or no full training exists before it.
    """
    if not settings.start_date <= last < settings.end_date:
        first, end = settings.start_date, settings.end_date - timedelta(days=1)
        raise ActionableError(
            f"{last} is not a day of the source (it has {first} to {end}).",
            "Give another day, or set REC_START_DATE and REC_DAYS.",
        )
    trained = [day for day in open_store(settings).partitions("dlrm_model") if day < last.isoformat()]
    if not trained:
        raise ActionableError(f"No full training exists before {last}.", "Run `make demo` first, or give a later day.")
    days = _days(date.fromisoformat(trained[-1]) + timedelta(days=1), last)
    return [
        Phase("catalog", jobs.CATALOG, []),
        Phase("daily_data", jobs.DAILY, days),
        Phase("fine_tuning", jobs.FINETUNING, days),
        Phase("outcome_update", jobs.OUTCOMES, days),
    ]


def _days(first: date, last: date) -> list[str]:
    return [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]


def materialize_stale(settings: Settings) -> int:
    """Rebuilds missing and stale assets of all phases; returns the number of materialized assets.

    Raises:
        ActionableError: a step failed. The step printed its error; earlier artifacts stay current.
    """
    return rebuild(settings, phases(settings))


def rebuild(settings: Settings, selected: list[Phase]) -> int:
    """Rebuilds missing and stale assets of some phases, in order; returns and raises like `materialize_stale`."""
    silence_deprecations()
    home = prepare_dagster_home(settings)
    defs = build_defs(settings)
    open_store(settings).delete_leftovers()
    with cheap_record_writes(home), DagsterInstance.get() as instance:
        fail_orphaned_runs(instance)
        return sum(_run(defs, instance, phase) for phase in selected)


def _run(defs: Definitions, instance: DagsterInstance, phase: Phase) -> int:
    assets, days = out_of_date(defs, instance, phase.selection, phase.days)
    when = f" for {days[0]}" + (f" … {days[-1]}" if len(days) > 1 else "") if days else ""
    if not assets:
        console.print(f"[bold]{phase.job}[/]: fresh")
        return 0
    console.print(f"[bold]{phase.job}[/]: {len(assets)} assets{when}")
    checks = (AssetSelection.assets(*assets) - jobs.FRESHNESS).resolve_checks(defs.resolve_asset_graph())
    job = defs.resolve_job_def(phase.job).get_subset(asset_selection=set(assets), asset_check_selection=set(checks))
    result = job.with_logger_defs({"console": progress_logger}).execute_in_process(
        instance=instance,
        run_config={"loggers": {"console": {}}},
        tags=dict(zip(PARTITION_RANGE, (days[0], days[-1]), strict=True)) if days else None,
        raise_on_error=False,
    )
    if not result.success:
        refused = [one for one in result.get_asset_check_evaluations() if not one.passed and one.description]
        if refused:
            reasons = "; ".join(f"{one.check_name}: {one.description}" for one in refused)
            raise ActionableError(
                f"{phase.job} stopped at a check ({reasons}).",
                "Follow the step of the check and run the command again; finished assets are kept.",
            )
        raise ActionableError(
            f"{phase.job} failed; its error is above.",
            "Fix the error above and run the command again; finished assets are kept.",
        )
    return len(assets)


def promote(settings: Settings, bundle: str) -> None:
    """Runs the job `promote` in this process. The Dagster UI shows the run.

    Args:
        settings: settings of the artifact store and of Triton.
        bundle: a bundle id, its beginning, "newest" or "previous", as for `serving.promotion.catalog.resolve_bundle`.

    Raises:
        ActionableError: the promotion failed. The job printed its error; the live bundle stays live.
    """
    silence_deprecations()
    prepare_dagster_home(settings)
    job = build_defs(settings).resolve_job_def(jobs.promote.name).with_logger_defs({"console": progress_logger})
    config = {"loggers": {"console": {}}, "ops": {"promotion": {"config": {"bundle": bundle}}}}
    with DagsterInstance.get() as instance:
        fail_orphaned_runs(instance)
        if not job.execute_in_process(instance=instance, run_config=config, raise_on_error=False).success:
            raise ActionableError(
                "The promotion failed; the live bundle stays live.",
                "Fix the error above, then run `rec promote` again.",
            )


def not_going_live(settings: Settings) -> list[str]:
    """Returns a sentence with the reason for each newer or newly trained bundle that `promote_newest` leaves out."""
    from rec_assets.bundles.bundle import ASSETS
    from rec_assets.bundles.canary_record import read_canary
    from rec_assets.bundles.live_record import find_live
    from rec_assets.serving.promotion.catalog import NEWEST, known_bundles, resolve_bundle

    store, lines = open_store(settings), []
    canary = read_canary(store)
    newest, live = resolve_bundle(store, settings, NEWEST), find_live(store)
    for one in known_bundles(store, settings):
        again = f"`rec promote {one.bundle_id}` makes it live."
        if live is not None and live.has_withdrawn(one.manifest):
            lines.append(f"Bundle {one.bundle_id} ({one.manifest.as_of}) was rolled back. {again}")
        elif reason := canary.reason(one.manifest):
            lines.append(f"Bundle {one.bundle_id} ({one.manifest.as_of}) was stopped ({reason}). {again}")
        elif one.manifest.as_of == settings.as_of < newest.manifest.as_of and one.asset == ASSETS[0]:
            reason = f"bundle {newest.bundle_id} is of a later day ({newest.manifest.as_of})"
            lines.append(f"Bundle {one.bundle_id} ({settings.as_of}) does not go live, because {reason}. {again}")
    return lines


def promote_newest(settings: Settings) -> bool:
    """Promotes the newest bundle that passed its gates and was not rolled back; returns False if it is already live.

    Prints which newer or newly trained bundle does not go live, and why.
    """
    from rec_assets.serving.promotion.catalog import NEWEST, resolve_bundle
    from rec_assets.serving.triton.control import server as server_control

    newest = resolve_bundle(open_store(settings), settings, NEWEST)
    for line in not_going_live(settings):
        console.print(line)
    if newest.bundle_id == server_control.answering_bundle(settings):
        return False
    promote(settings, newest.bundle_id)
    return True
