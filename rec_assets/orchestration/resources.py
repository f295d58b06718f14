"""Resources of assets: the settings, the artifact store, and the IO manager that loads upstream artifacts."""

from pathlib import Path
from typing import Self

from dagster import ConfigurableIOManager, ConfigurableResource, InputContext, OutputContext, ResourceParam

from rec_assets.settings import Settings
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.stores import store_at

# The settings of the code location, a resource of assets and checks.
SettingsResource = ResourceParam[Settings]


class Artifacts(ConfigurableResource):  # type: ignore[type-arg]
    """Opens the artifact store (`rec_assets.storage`).

    Attributes:
        root: the folder of the store, or of its cache if `remote` is given.
        remote: the URL of a bucket; empty without a bucket.
    """

    root: str
    remote: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Returns the resource for these settings."""
        return cls(root=str(settings.artifacts_dir.absolute()), remote=settings.artifacts)

    def store(self) -> ArtifactStore:
        """Opens the store."""
        return store_at(Path(self.root), self.remote)


class ArtifactIOManager(ConfigurableIOManager):
    """Loads an input as the current `Artifact` of the upstream asset, or {partition key: Artifact} if partitioned.

    Does not handle outputs: assets publish their own files (`assets.publishing`) and return no value.
    """

    artifacts: Artifacts

    def load_input(self, context: InputContext) -> Artifact | dict[str, Artifact]:
        """Returns paths and digests, never data; raises ActionableError if a partition was not materialized."""
        store = self.artifacts.store()
        asset = context.asset_key.path[-1]
        if not context.has_asset_partitions:
            return store.get(asset)
        return {key: store.get(asset, key) for key in context.asset_partition_keys}

    def handle_output(self, context: OutputContext, obj: object) -> None:
        """Raises TypeError: an asset that returns a value bypasses the store."""
        raise TypeError(f"{context.asset_key.to_user_string()} returned a value. Return `publish(...)` instead.")
