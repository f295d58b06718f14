"""Deletes artifacts of old days that can be rebuilt and that no served bundle depends on.

With `REC_KEEP_DAYS` days kept, everything of earlier days is deleted except

- raw days and reported events, which cannot be rebuilt, and evaluations, which are small;
- the days of the live bundle, of the bundle before it, of their full trainings, and of the newest full training.

Unpartitioned artifacts stay. A day keeps its current version and the one before (`rec_assets.storage`).
"""

from collections import Counter
from datetime import date, timedelta

from rec_assets.bundles.live_record import find_live
from rec_assets.common.errors import ActionableError
from rec_assets.serving.promotion.catalog import known_bundles
from rec_assets.settings import Settings
from rec_assets.storage.artifact_store import ArtifactStore

NEVER_DELETED = frozenset(
    {
        "raw_interactions",
        "behavioral_updates",
        "model_evaluation",
        "finetune_evaluation",
        "next_day_evaluation",
        "following_day_evaluation",  # its name in release 0.1
    }
)


def expired_partitions(store: ArtifactStore, settings: Settings) -> list[tuple[str, str]]:
    """Returns assets and days that may go, in order; none where `keep_days` is 0.

    Raises:
        ActionableError: `keep_days` is shorter than what a fine-tune or a training of the newest day reads.
    """
    if not settings.keep_days:
        return []
    window = settings.train_days + settings.valid_days + 1
    if settings.keep_days < window:
        raise ActionableError(
            f"REC_KEEP_DAYS is {settings.keep_days}, and a training or a fine-tune reads {window} days.",
            f"Set it to {window} or more, or to 0 to keep all days.",
        )
    days = store.partitions("raw_interactions")
    if not days:
        return []
    oldest = (date.fromisoformat(days[-1]) - timedelta(days=settings.keep_days - 1)).isoformat()
    stays = _stood_on(store, settings)
    return [
        (asset, day)
        for asset in store.assets()
        if asset not in NEVER_DELETED
        for day in store.partitions(asset)
        if _is_day(day) and day < oldest and day not in stays
    ]


def delete_expired(store: ArtifactStore, settings: Settings) -> Counter[str]:
    """Removes what may go, and returns how many days of each asset that were; raises as `expired_partitions`."""
    gone = expired_partitions(store, settings)
    for asset, day in gone:
        store.remove(asset, day)
    return Counter(asset for asset, _ in gone)


def _stood_on(store: ArtifactStore, settings: Settings) -> set[str]:
    live = find_live(store)
    served = [] if live is None else [live.bundle_id, *live.before[:1]]
    manifests = [one.manifest for one in known_bundles(store, settings) if one.bundle_id in served]
    days = {str(day) for manifest in manifests for day in (manifest.as_of, manifest.base)}
    return days | set(store.partitions("dlrm_model")[-1:])


def _is_day(partition: str) -> bool:
    try:
        date.fromisoformat(partition)
    except ValueError:
        return False
    return True
