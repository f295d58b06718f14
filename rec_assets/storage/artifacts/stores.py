"""Opens the artifact store: a folder, or a bucket with a folder as its cache."""

from pathlib import Path

from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore


def open_store(settings: Settings) -> ArtifactStore:
    """Opens the store of the settings: the bucket `artifacts`, or a folder below `home`.

    Raises:
        ActionableError: `artifacts` is an invalid bucket URL.
    """
    store = store_at(settings.artifacts_dir, settings.artifacts)
    store.read_only = settings.store_read_only
    return store


def store_at(root: Path, remote: str = "") -> ArtifactStore:
    """Opens the store in a folder or, if `remote` is a bucket URL, in a bucket with the folder as its cache."""
    if not remote:
        return ArtifactStore(root)
    from rec_assets.storage.artifacts.bucket_store import BucketStore

    return BucketStore(root, remote)
