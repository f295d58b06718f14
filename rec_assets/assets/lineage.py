"""What a fine-tune goes on from: the last full training before its day, and the newest checkpoint of that chain."""

import json
from pathlib import Path
from typing import Any

from dagster import AssetDep

from rec_assets.errors import ActionableError
from rec_assets.partitions import earlier_days
from rec_assets.storage import Artifact, ArtifactStore

LINEAGE = "lineage.json"


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

    Args:
        store: where they are.
        asset: the fine-tuned asset.
        full: the asset of the full training.
        day: whose parent is wanted.
        base: the day of the full training.
    """
    for earlier_day in reversed([d for d in store.partitions(asset) if base < d < day]):
        artifact = store.get(asset, earlier_day)
        if base_in(artifact) == base:
            return artifact
    return store.get(full, base)


def write_lineage(folder: Path, base: str, parent: Artifact | None = None) -> dict[str, Any]:
    """Writes what an artifact goes back to, and returns it as metadata."""
    lineage = {"base": base} | ({} if parent is None else {"parent": parent.partition})
    (folder / LINEAGE).write_text(json.dumps(lineage))
    return {**lineage}


def base_in(artifact: Artifact) -> str:
    """Returns the day of the full training that an artifact goes back to."""
    return str(json.loads((artifact / LINEAGE).read_text())["base"])


def parent_in(artifact: Artifact) -> str:
    """Returns the day of the checkpoint that an artifact goes on from."""
    return str(json.loads((artifact / LINEAGE).read_text())["parent"])
