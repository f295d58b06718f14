"""Excludes other promotions and canaries, of this machine and of others."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rec_assets.serving.triton import model_repository
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.file_lock import exclusive_lock

LOCK_PATIENCE_S = 600.0  # a promotion takes seconds, so after this wait the other promotion is stuck

Report = Callable[[str], None]


@contextmanager
def exclusive_promotion(store: ArtifactStore, settings: Settings, patience_s: float = LOCK_PATIENCE_S) -> Iterator[int]:
    """Yields the number of the promotion, as in `protocol.Candidate`, while no other promotion runs.

    Raises:
        LockHeldError: another promotion did not end within `patience_s` seconds.
    """
    other = "Another promotion"
    file = model_repository.repository_path(settings) / ".promotion.lock"
    with exclusive_lock(file, patience_s, other), store.lease("promotion", patience_s, other) as token:
        yield token
