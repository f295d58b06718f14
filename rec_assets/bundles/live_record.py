"""The record of the live bundle. A copy of the bundle lies beside it, so a server can start from storage alone."""

from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rec_assets.bundles.bundle import Bundle
from rec_assets.storage.artifact_store import ArtifactStore, link_tree

LIVE_BUNDLE = "live_bundle"
_RECORD = "live.json"
_REMEMBERED = 20  # earlier bundles


class Live(BaseModel):
    """The record of what is live.

    Attributes:
        version: of the Triton models, None where several servers each have their own.
        promoted_at: UTC.
        before: ids of the bundles that were live before it, the last one first; going back takes them off again.
    """

    model_config = ConfigDict(frozen=True)

    bundle_id: str
    as_of: date
    version: int | None
    promoted_at: datetime
    before: list[str]


def find_live(store: ArtifactStore) -> Live | None:
    """Returns the record of what is live, None before the first promotion."""
    artifact = store.find(LIVE_BUNDLE)
    return None if artifact is None else Live.model_validate_json((artifact / _RECORD).read_text())


def live_path(store: ArtifactStore) -> Path | None:
    """Returns the live bundle's directory, None before the first promotion."""
    artifact = store.find(LIVE_BUNDLE)
    return None if artifact is None else artifact.path


def record_live(store: ArtifactStore, bundle: Bundle, version: int | None, before: Live | None) -> Live:
    """Writes the record and the bundle itself; a bundle that was live already keeps its record."""
    if before is not None and (before.bundle_id, before.version) == (bundle.bundle_id, version):
        return before
    earlier = [] if before is None else [before.bundle_id, *before.before]
    if bundle.bundle_id in earlier:  # back again: what came after it is not before it
        earlier = earlier[earlier.index(bundle.bundle_id) + 1 :]
    live = Live(
        bundle_id=bundle.bundle_id,
        as_of=bundle.manifest.as_of,
        version=version,
        promoted_at=datetime.now(UTC).replace(microsecond=0),
        before=earlier[:_REMEMBERED],
    )
    with store.publish(LIVE_BUNDLE) as draft:
        link_tree(bundle.path, draft.path)
        (draft.path / _RECORD).unlink(missing_ok=True)  # of an earlier promotion, and shared with it
        (draft.path / _RECORD).write_text(live.model_dump_json(indent=1))
    return live
