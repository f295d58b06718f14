"""Reads upstream assets that are not function inputs. Finds the base and the parent of a fine-tune."""

from dataclasses import dataclass
from typing import Self

from dagster import AssetExecutionContext

from rec_assets.bundles.provenance import Lineage
from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.declared import On
from rec_assets.orchestration.partitions import earlier_days
from rec_assets.orchestration.resources import Artifacts
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.store import ArtifactStore


def earlier(*assets: str) -> list[On]:
    """Declares dependencies on earlier days of some assets. Some of these days may not be materialized."""
    return [On(name, earlier_days) for name in assets]


@dataclass(frozen=True)
class UpstreamStore:
    """The artifact store, limited to the declared upstream assets of one asset and its own partitions.

    Reading another asset raises LookupError, so the lineage in Dagster is complete.

    Attributes:
        asset: name of the asset that reads.
        upstream: names of its declared upstream assets.
        store: the artifact store.
    """

    asset: str
    upstream: frozenset[str]
    store: ArtifactStore

    @classmethod
    def of(cls, context: AssetExecutionContext, artifacts: Artifacts) -> Self:
        """Opens the store for the asset of a step."""
        keys = context.assets_def.asset_deps[context.asset_key]
        return cls(context.asset_key.path[-1], frozenset(key.path[-1] for key in keys), artifacts.store())

    def get(self, asset: str, partition: str) -> Artifact:
        """Returns the current version of a partition; raises ActionableError if it was not materialized."""
        return self._declared(asset).get(asset, partition)

    def find(self, asset: str, partition: str) -> Artifact | None:
        """Returns the current version of a partition, None if it was not materialized."""
        return self._declared(asset).find(asset, partition)

    def partitions(self, asset: str) -> list[str]:
        """Returns the materialized partitions of an asset, sorted."""
        return self._declared(asset).partitions(asset)

    def _declared(self, asset: str) -> ArtifactStore:
        if asset not in self.upstream | {self.asset}:
            raise LookupError(f"{self.asset} reads {asset}, which is not a declared dependency. Add {asset} to `deps`.")
        return self.store


def base_of(store: UpstreamStore, day: str) -> str:
    """Returns the day of the last full training before a day.

    Raises:
        ActionableError: no full training exists before the day.
    """
    before = [d for d in store.partitions("dlrm_model") if d < day]
    if not before:
        raise ActionableError(
            f"No full training exists before {day}.",
            "Materialize the job full_training for an earlier day, or run `make demo`.",
        )
    return before[-1]


def parent_of(store: UpstreamStore, asset: str, full: str, day: str, base: str) -> Artifact:
    """Returns the newest checkpoint before a day: a fine-tune of the same base, or the base itself.

    Skips fine-tunes of an earlier version of the base's towers. Their days must be fine-tuned again first.

    Args:
        store: the store of the fine-tuned asset.
        asset: the fine-tuned asset.
        full: the asset of the full training.
        day: the day of the fine-tune.
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
    """Reads the lineage of an artifact."""
    return Lineage.read(artifact.path)
