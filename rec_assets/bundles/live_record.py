"""The record of the live bundle. A copy of the bundle is stored with it, so a server can start from storage alone."""

from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rec_assets.bundles.bundle import Bundle, Manifest
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.versions import link_tree

LIVE_BUNDLE = "live_bundle"
_RECORD = "live.json"
_REMEMBERED = 20  # earlier live bundles in the record


class Live(BaseModel):
    """The record of the live bundle.

    Attributes:
        version: version of the Triton models, None if several servers have different versions.
        promoted_at: time of the promotion, UTC.
        before: ids of the bundles that were live before, latest first. Promoting one again removes it and later ones.
        withdrawn: ids, and `models_id`s, of bundles that a rollback replaced. Only a person promotes them again.
    """

    model_config = ConfigDict(frozen=True)

    bundle_id: str
    as_of: date
    version: int | None
    promoted_at: datetime
    before: list[str]
    withdrawn: list[str] = []

    def has_withdrawn(self, manifest: Manifest) -> bool:
        """Returns True if a rollback replaced this bundle, or one with the same models."""
        return not {manifest.bundle_id, manifest.models_id}.isdisjoint(self.withdrawn)


def find_live(store: ArtifactStore) -> Live | None:
    """Returns the record of the live bundle, None before the first promotion."""
    artifact = store.current(LIVE_BUNDLE)
    return None if artifact is None else read_record(store, artifact)


def read_record(store: ArtifactStore, artifact: Artifact) -> Live:
    """Reads the record of a version of `LIVE_BUNDLE`, without downloading the bundle."""
    return Live.model_validate_json(store.read_text(artifact, _RECORD))


def live_path(store: ArtifactStore) -> Path | None:
    """Returns the directory of the live bundle, None before the first promotion."""
    artifact = store.find(LIVE_BUNDLE)
    return None if artifact is None else artifact.path


def record_live(
    store: ArtifactStore, bundle: Bundle, version: int | None, before: Live | None, replaces: str | None = None
) -> Live:
    """Writes the record and a copy of the bundle; a bundle that is already live keeps its record.

    Args:
        store: artifact store with the record.
        bundle: the bundle that is live now.
        version: as in `Live`.
        before: the record until now.
        replaces: digest of that record's artifact, "" for none; by default the record is not compared.

    Raises:
        ActionableError: another promotion has recorded a bundle meanwhile.
    """
    if before is not None and (before.bundle_id, before.version) == (bundle.bundle_id, version):
        return before
    earlier = [] if before is None else [before.bundle_id, *before.before]
    withdrawn = [] if before is None else before.withdrawn
    if bundle.bundle_id in earlier:  # a rollback: drop it and the bundles after it
        position, replaced = earlier.index(bundle.bundle_id), live_path(store)
        models = [] if replaced is None else [Bundle.open(replaced).manifest.models_id]
        withdrawn, earlier = [*withdrawn, *earlier[:position], *models], earlier[position + 1 :]
    mine = {bundle.bundle_id, bundle.manifest.models_id}
    live = Live(
        bundle_id=bundle.bundle_id,
        as_of=bundle.manifest.as_of,
        version=version,
        promoted_at=datetime.now(UTC).replace(microsecond=0),
        before=earlier[:_REMEMBERED],
        withdrawn=[one for one in dict.fromkeys(withdrawn) if one not in mine],
    )
    with store.publish(LIVE_BUNDLE, replaces=replaces) as draft:
        link_tree(bundle.path, draft.path)
        (draft.path / _RECORD).unlink(missing_ok=True)  # a hard link to the record of an earlier promotion
        (draft.path / _RECORD).write_text(live.model_dump_json(indent=1))
    return live
