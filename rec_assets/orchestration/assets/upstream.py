"""Finds the base of a fine-tune: the last full training before its day, and the newest checkpoint of that chain."""

from dagster import AssetDep

from rec_assets.bundles.provenance import Lineage
from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.partitions import earlier_days
from rec_assets.storage.artifact_store import Artifact, ArtifactStore


def earlier(*assets: str) -> list[AssetDep]:
    """Says that an asset reads some day of these before its own; which one it finds in the store."""
    return [AssetDep(name, partition_mapping=earlier_days) for name in assets]


def base_of(store: ArtifactStore, day: str) -> str:
    """Returns the day of the last full training before a day.

    Raises:
        ActionableError: there is none.
    """
    before = [d for d in store.partitions("dlrm_model") if d < day]
    if not before:
        raise ActionableError(
            f"There is no full training before {day} to go on from.",
            "Materialize the job full_training for an earlier day, or run `make demo`.",
        )
    return before[-1]


def parent_of(store: ArtifactStore, asset: str, full: str, day: str, base: str) -> Artifact:
    """Returns the newest checkpoint before a day: a fine-tune of the same base, or the base itself.

    A fine-tune of towers that were trained again since is none of theirs: its day has to be fine-tuned again first.

    Args:
        store: where they are.
        asset: the fine-tuned asset.
        full: the asset of the full training.
        day: whose parent is wanted.
        base: the day of the full training.
    """
    origin = store.get(full, base)
    towers = lineage_of(origin).towers
    for earlier_day in reversed([d for d in store.partitions(asset) if base < d < day]):
        artifact = store.get(asset, earlier_day)
        lineage = lineage_of(artifact)
        if lineage.base == base and lineage.towers == towers:
            return artifact
    return origin


def lineage_of(artifact: Artifact) -> Lineage:
    """Returns what an artifact says it was made from."""
    return Lineage.read(artifact.path)
