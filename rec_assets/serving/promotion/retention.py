"""Deletes artifacts of old days that can be rebuilt and that no served bundle depends on.

Keeps the newest `REC_KEEP_DAYS` days. Of earlier days, it keeps only

- raw days and reported events, which cannot be rebuilt, and evaluations, which are small;
- the days of the live bundle, of the previous bundle, of their full trainings, and of the newest full training.

Unpartitioned artifacts stay. A kept day has its current and its previous version (`rec_assets.storage.artifact_store`).
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
        "outcomes",
        "following_day_evaluation",  # name of next_day_evaluation in release 0.1
    }
)


def expired_partitions(store: ArtifactStore, settings: Settings) -> list[tuple[str, str]]:
    """Returns sorted pairs of asset and day to delete; an empty list if `keep_days` is 0.

    Raises:
        ActionableError: `keep_days` is less than the days that a training or a fine-tune reads.
    """
    if not settings.keep_days:
        return []
    window = settings.train_days + settings.valid_days + 1
    if settings.keep_days < window:
        raise ActionableError(
            f"REC_KEEP_DAYS is too small ({settings.keep_days}): a training or a fine-tune reads {window} days.",
            f"Set it to {window} or more, or to 0 to keep all days.",
        )
    days = store.partitions("raw_interactions")
    if not days:
        return []
    oldest = (date.fromisoformat(days[-1]) - timedelta(days=settings.keep_days - 1)).isoformat()
    kept_days = _days_of_served_bundles(store, settings)
    return [
        (asset, day)
        for asset in store.assets()
        if asset not in NEVER_DELETED
        for day in store.partitions(asset)
        if _is_day(day) and day < oldest and day not in kept_days
    ]


def delete_expired(store: ArtifactStore, settings: Settings) -> Counter[str]:
    """Deletes the expired partitions; returns the number of deleted days by asset. Raises as `expired_partitions`."""
    expired = expired_partitions(store, settings)
    for asset, day in expired:
        store.remove(asset, day)
    return Counter(asset for asset, _ in expired)


def _days_of_served_bundles(store: ArtifactStore, settings: Settings) -> set[str]:
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
