"""What assets are given: the artifact store, and the IO manager that hands upstream artifacts to them."""

from pathlib import Path

from dagster import ConfigurableIOManager, ConfigurableResource, InputContext, OutputContext

from rec_assets.storage import Artifact, ArtifactStore


class Artifacts(ConfigurableResource):  # type: ignore[type-arg]
    """The artifact store of `rec_assets.storage` at a root folder."""

    root: str

    def store(self) -> ArtifactStore:
        """Opens the store."""
        return ArtifactStore(Path(self.root))


class ArtifactIOManager(ConfigurableIOManager):
    """Loads an input as the upstream's current `Artifact`, or as {partition key: Artifact} where it is partitioned.

    Assets publish their own files (`rec_assets.assets.publishing`) and return no value: there is no output to handle.
    """

    root: str

    def load_input(self, context: InputContext) -> Artifact | dict[str, Artifact]:
        """Returns paths and digests, never data; raises ActionableError for what was not materialized."""
        store = ArtifactStore(Path(self.root))
        asset = context.asset_key.path[-1]
        if not context.has_asset_partitions:
            return store.get(asset)
        return {key: store.get(asset, key) for key in context.asset_partition_keys}

    def handle_output(self, context: OutputContext, obj: object) -> None:
        """Refuses: an asset that returns a value bypasses the store."""
        raise TypeError(f"{context.asset_key.to_user_string()} returned a value; publish files instead")
