"""Lists assets to rebuild: those that the Dagster UI shows as missing or stale."""

from collections.abc import Sequence

from dagster import AssetKey, AssetSelection, DagsterInstance, Definitions

# The resolver behind the UI's "stale" marks; Dagster offers it to Python under no public name.
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest


def out_of_date(
    defs: Definitions, instance: DagsterInstance, selection: AssetSelection, days: Sequence[str]
) -> tuple[list[AssetKey], list[str]]:
    """Finds what of a selection has to be materialized.

    Args:
        defs: the code location.
        instance: where materializations are recorded.
        selection: assets that are rebuilt together.
        days: the partition keys that count, in order; an asset without partitions is judged as a whole.

    Returns:
        The assets that are missing or stale, with everything below them in the selection, and the days, from the first
        stale one to the last, they are stale for.
    """
    graph = defs.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    selected = selection.resolve(graph)
    stale: set[AssetKey] = set()
    stale_days: set[str] = set()
    for key in selected:
        keys = days if graph.get(key).is_partitioned else [None]
        late = [day for day in keys if resolver.get_status(key, day) != StaleStatus.FRESH]
        if late:
            stale.add(key)
            stale_days.update(day for day in late if day is not None)
    below = AssetSelection.assets(*stale).downstream().resolve(graph) & selected if stale else set()
    window = [day for day in days if stale_days and min(stale_days) <= day <= max(stale_days)]
    ordered = [key for level in graph.toposorted_asset_keys_by_level for key in sorted(level)]
    return [key for key in ordered if key in below], window
