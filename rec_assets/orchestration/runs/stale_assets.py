"""Lists assets to rebuild: missing and stale ones, as in the Dagster UI, and those with a failed blocking check."""

from collections.abc import Sequence

from dagster import AssetKey, AssetSelection, DagsterInstance, Definitions

from rec_assets.orchestration.dagster_internals import StaleMarks


def out_of_date(
    defs: Definitions, instance: DagsterInstance, selection: AssetSelection, days: Sequence[str]
) -> tuple[list[AssetKey], list[str]]:
    """Returns the assets and days of a selection that must be materialized.

    Args:
        defs: the code location.
        instance: the instance that records materializations.
        selection: assets that are rebuilt together.
        days: the partition keys to test, in order.

    Returns:
        Missing and stale assets with all assets of the selection downstream of them, in topological order; and all
        days from the first stale day to the last.
    """
    marks = StaleMarks(defs, instance)
    selected = selection.resolve(marks.graph)
    stale: set[AssetKey] = set()
    stale_days: set[str] = set()
    for key in selected:
        wanted: Sequence[str | None] = days if marks.graph.get(key).is_partitioned else [None]
        # The check blocks downstream assets, so the asset is rebuilt and checked again.
        partitions = list(wanted) if marks.has_failed_blocking_check(key) else marks.stale(key, wanted)
        if partitions:
            stale.add(key)
            stale_days.update(day for day in partitions if day is not None)
    downstream = AssetSelection.assets(*stale).downstream().resolve(marks.graph) & selected if stale else set()
    window = [day for day in days if stale_days and min(stale_days) <= day <= max(stale_days)]
    ordered = [key for level in marks.graph.toposorted_asset_keys_by_level for key in sorted(level)]
    return [key for key in ordered if key in downstream], window
