"""Opens the artifact store: a folder, or a bucket that is read and written through a folder."""

from pathlib import Path

from rec_assets.settings import Settings
from rec_assets.storage.artifact_store import ArtifactStore


def open_store(settings: Settings) -> ArtifactStore:
    """Opens the store where the settings say: `artifacts`, or a folder below `home`.

    Raises:
        ActionableError: `artifacts` is no address of a bucket.
    """
    return store_at(settings.artifacts_dir, settings.artifacts)


def store_at(root: Path, remote: str = "") -> ArtifactStore:
    """Opens the store of a folder, or, where `remote` names one, of a bucket of which the folder is a cache."""
    if not remote:
        return ArtifactStore(root)
    from rec_assets.storage.bucket_store import BucketStore

    return BucketStore(root, remote)
