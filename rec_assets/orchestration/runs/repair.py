"""Repairs a damaged artifact store: materializes what is damaged again, upstream assets first."""

from collections.abc import Iterator, Sequence, Set

from dagster import AssetKey, AssetsDefinition, DagsterInstance, materialize
from rich.markup import escape

from rec_assets.bundles.canary_record import CANARY
from rec_assets.bundles.gate_results import GATE_REPORTS
from rec_assets.bundles.live_record import LIVE_BUNDLE
from rec_assets.common.silence import silence_deprecations
from rec_assets.orchestration import jobs
from rec_assets.orchestration.build import build_defs
from rec_assets.orchestration.runs.console_logger import console, failure_reason
from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.damage import Damage
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.stores import open_store
from rec_assets.storage.artifacts.versions import UNPARTITIONED


def repair(settings: Settings, damages: Sequence[Damage]) -> list[Damage]:
    """Materializes assets whose current version or pointer is damaged; deletes damaged versions before the current one.

    An equal rebuild keeps its digest, so assets downstream stay fresh. Artifacts that are no assets of their own, such
    as gate reports, are deleted.

    Returns:
        The damages that remain, for example of an asset whose source is gone. The console has the reasons.
    """
    silence_deprecations()
    prepare_dagster_home(settings)
    store, defs = open_store(settings), build_defs(settings)
    graph = defs.resolve_asset_graph()
    alone = graph.get_all_asset_keys() - jobs.PROMOTION.resolve(graph)
    for damage in damages:
        if not damage.is_current:
            store.delete_earlier(damage)
        elif AssetKey(damage.asset) not in alone:
            store.remove(damage.asset, damage.partition)
            console.print(f"[bold]{damage.asset}[/] [{damage.partition}]: deleted. {_next_step(damage.asset)}")
    with DagsterInstance.get() as instance:
        for asset, partition in _in_order(
            graph.toposorted_asset_keys_by_level, [one for one in damages if AssetKey(one.asset) in alone]
        ):
            console.print(f"[bold]{asset}[/] [{partition}]: materialized again")
            result = materialize(
                [one for one in defs.assets or () if isinstance(one, AssetsDefinition)],
                instance=instance,
                resources=defs.resources,
                selection=[asset],
                partition_key=None if partition == UNPARTITIONED else partition,
                raise_on_error=False,
            )
            for event in result.filter_events(lambda event: event.is_step_failure):
                console.print(f"  [red]✗ {asset} [{partition}][/]\n{escape(failure_reason(event))}")
    return list(_remaining(store, damages))


def _next_step(asset: str) -> str:
    if asset in (LIVE_BUNDLE, "triton_versions"):
        return "Run `rec promote newest`, or the id of an earlier bundle."
    if asset == CANARY:
        return "Delete it. Then no canary runs, and the reasons of stopped bundles are lost."
    return "Materialize its bundle again, which runs the gates." if asset == GATE_REPORTS else ""


def _in_order(levels: Sequence[Set[AssetKey]], damages: Sequence[Damage]) -> list[tuple[str, str]]:
    """Returns asset and partition of the damages that remain, upstream assets first."""
    position = {key.path[-1]: number for number, level in enumerate(levels) for key in level}
    wanted = {(one.asset, one.partition) for one in damages if one.is_current and one.asset in position}
    return sorted(wanted, key=lambda one: (position[one[0]], one))


def _remaining(store: ArtifactStore, damages: Sequence[Damage]) -> Iterator[Damage]:
    for asset, partition in sorted({(damage.asset, damage.partition) for damage in damages}):
        yield from store.check(asset, partition)
