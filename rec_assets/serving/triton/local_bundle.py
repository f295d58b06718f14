"""Access to the files of the bundle that is live on this machine."""

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.triton.model_repository import bundle_path, live_version, repository_path
from rec_assets.settings import Settings


def live_bundle(settings: Settings) -> Bundle | None:
    """Opens the live bundle; returns None before the first publish. Raises ActionableError if the bundle is damaged."""
    repository = repository_path(settings)
    version = live_version(repository)
    return None if version is None else Bundle.open(bundle_path(repository, version))
