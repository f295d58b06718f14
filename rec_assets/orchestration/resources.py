"""Resources of assets: the artifact store, and the IO manager that hands upstream artifacts to them."""

from pathlib import Path
from typing import Self

from dagster import ConfigurableIOManager, ConfigurableResource, InputContext, OutputContext

from rec_assets.settings import Settings
from rec_assets.storage.artifact_store import Artifact, ArtifactStore
from rec_assets.storage.stores import store_at


class Artifacts(ConfigurableResource):  # type: ignore[type-arg]
    """The artifact store (`rec_assets.storage`): a root folder, which is a cache where `remote` names a bucket."""

    root: str
    remote: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Returns what opens the store of these settings."""
        return cls(root=str(settings.artifacts_dir.absolute()), remote=settings.artifacts)

    def store(self) -> ArtifactStore:
        """Opens the store."""
        return store_at(Path(self.root), self.remote)


class ArtifactIOManager(ConfigurableIOManager):
    """Loads an input as the upstream's current `Artifact`, or as {partition key: Artifact} where it is partitioned.

    Assets publish their own files (`assets.publishing`) and return no value, so no output is handled.
    """

    artifacts: Artifacts

    def load_input(self, context: InputContext) -> Artifact | dict[str, Artifact]:
        """Returns paths and digests, never data; raises ActionableError for what was not materialized."""
        store = self.artifacts.store()
        asset = context.asset_key.path[-1]
        if not context.has_asset_partitions:
            return store.get(asset)
        return {key: store.get(asset, key) for key in context.asset_partition_keys}

    def handle_output(self, context: OutputContext, obj: object) -> None:
        """Refuses: an asset that returns a value bypasses the store."""
        raise TypeError(f"{context.asset_key.to_user_string()} returned a value; publish files instead")
