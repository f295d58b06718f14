"""The record of the running canary, and of the bundles that a canary or a watched promotion has stopped."""

from collections.abc import Callable
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict

from rec_assets.bundles.bundle import Manifest
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.versions import UNPARTITIONED

CANARY = "canary"
_RECORD = "canary.json"
_REMEMBERED = 40  # ids of stopped bundles


class Canary(BaseModel):
    """A candidate that answers a share of the users beside the live bundle.

    Attributes:
        bundle_id: id of the candidate.
        models_id: hash of its parts.
        asset: asset that made it.
        partition: day of this asset.
        digest: version of this day in the artifact store.
        share: share of the users who get its lists.
        shadow: share of the other requests that it answers too, for the comparison only.
        started_at: time of the start, UTC.
    """

    model_config = ConfigDict(frozen=True)

    bundle_id: str
    models_id: str
    asset: str
    partition: str
    digest: str
    share: float
    shadow: float
    started_at: datetime


class CanaryRecord(BaseModel):
    """The running canary, and the bundles that were stopped.

    Attributes:
        running: the running canary, None without one.
        stopped: reasons by id of the bundle and of its models, oldest first.
        stopped_at: time of the last stop, UTC.
    """

    model_config = ConfigDict(frozen=True)

    running: Canary | None = None
    stopped: dict[str, str] = {}
    stopped_at: datetime | None = None

    def reason(self, manifest: Manifest) -> str:
        """Returns why this bundle, or one with the same models, was stopped; empty if it was not."""
        return self.stopped.get(manifest.bundle_id) or self.stopped.get(manifest.models_id, "")

    def with_stopped(self, bundle_id: str, models_id: str, reason: str) -> "CanaryRecord":
        """Returns the record after a bundle was stopped; its canary has ended."""
        kept = {one: old for one, old in self.stopped.items() if one not in (bundle_id, models_id)}
        stopped = kept | {bundle_id: reason, models_id: reason}
        running = None if self.running is not None and self.running.bundle_id == bundle_id else self.running
        at = datetime.now(UTC).replace(microsecond=0)
        return CanaryRecord(running=running, stopped=dict(list(stopped.items())[-_REMEMBERED:]), stopped_at=at)

    def with_live(self, manifest: Manifest) -> "CanaryRecord":
        """Returns the record after a bundle went live: no canary runs, and the bundle does not count as stopped."""
        mine = (manifest.bundle_id, manifest.models_id)
        kept = {one: reason for one, reason in self.stopped.items() if one not in mine}
        return CanaryRecord(stopped=kept, stopped_at=self.stopped_at)


def read_canary(store: ArtifactStore) -> CanaryRecord:
    """Returns the record, an empty one before the first canary."""
    artifact = store.current(CANARY)
    return CanaryRecord() if artifact is None else _read(store, artifact)


def change_canary(store: ArtifactStore, change: Callable[[CanaryRecord], CanaryRecord]) -> CanaryRecord:
    """Replaces the record by what `change` returns for it; an equal record is not written. Returns the new record.

    Raises:
        ActionableError: another process changed the record meanwhile.
    """
    artifact = store.current(CANARY)
    before = CanaryRecord() if artifact is None else _read(store, artifact)
    after = change(before)
    if after != before:
        with store.publish(CANARY, UNPARTITIONED, replaces="" if artifact is None else artifact.digest) as draft:
            (draft.path / _RECORD).write_text(after.model_dump_json(indent=1))
    return after


def _read(store: ArtifactStore, artifact: Artifact) -> CanaryRecord:
    return CanaryRecord.model_validate_json(store.read_text(artifact, _RECORD))
