"""Chooses a bundle, checks it, puts it before users, records it, and takes it back.

Every step can be killed: the record comes last, what was live serves until the switch, and the same call again goes on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from rec_assets.errors import ActionableError
from rec_assets.locking import one_at_a_time
from rec_assets.serving import control, repository
from rec_assets.serving.bundle import ASSETS, Bundle, Manifest
from rec_assets.serving.gates import Verdict, find_verdict
from rec_assets.settings import Settings
from rec_assets.storage import ArtifactStore, link_tree

LIVE_BUNDLE = "live_bundle"
NEWEST, PREVIOUS = "newest", "previous"
_RECORD = "live.json"  # beside the bundle itself, so that a server can start from storage alone
_REMEMBERED = 20
_SMOKE_USERS = 3
LOCK_PATIENCE_S = 600.0  # a promotion takes seconds; one that waits longer waits for something that is stuck

Report = Callable[[str], None]


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


@dataclass(frozen=True)
class Known:
    """A bundle that is there to be promoted."""

    path: Path
    manifest: Manifest
    verdict: Verdict | None

    @property
    def bundle_id(self) -> str:
        """Its id."""
        return self.manifest.bundle_id

    @property
    def kind(self) -> str:
        """The asset that made it."""
        return "full training" if self.manifest.as_of == self.manifest.base else "fine-tune"

    @property
    def asset(self) -> str:
        """The asset that made it."""
        return ASSETS[self.kind == "fine-tune"]


def find_live(store: ArtifactStore) -> Live | None:
    """Returns the record of what is live, None before the first promotion."""
    artifact = store.find(LIVE_BUNDLE)
    return None if artifact is None else Live.model_validate_json((artifact / _RECORD).read_text())


def live_path(store: ArtifactStore) -> Path | None:
    """Returns the live bundle's directory, None before the first promotion."""
    artifact = store.find(LIVE_BUNDLE)
    return None if artifact is None else artifact.path


def known_bundles(store: ArtifactStore, settings: Settings) -> list[Known]:
    """Returns all bundles, newest day first, a full training before a fine-tune of its day.

    They are the current versions in the artifact store, and what the Triton repository keeps of earlier ones.
    """
    kept = (repository.repository_path(settings) / ".bundles").glob("[!.]*")
    paths = [store.get(asset, day).path for asset in ASSETS for day in store.partitions(asset)]
    found: dict[str, Known] = {}
    for path in (*paths, *(folder for folder in kept if folder.suffix != ".part")):
        try:
            manifest = Bundle.open(path).manifest
        except ActionableError:  # damaged: to promote it names what is wrong, to list the others it must not matter
            continue
        found.setdefault(manifest.bundle_id, Known(path, manifest, find_verdict(store, manifest.bundle_id)))
    return sorted(found.values(), key=lambda one: (one.manifest.as_of, one.manifest.base), reverse=True)


def choose(store: ArtifactStore, settings: Settings, wanted: str) -> Known:
    """Finds the bundle that a person or the sensor means.

    Args:
        store: where bundles and the record are.
        settings: where the Triton repository is.
        wanted: an id or how it begins; `NEWEST` of those that passed their gates; or `PREVIOUS`, live before this one.

    Raises:
        ActionableError: there is no such bundle, or more than one.
    """
    known, live = known_bundles(store, settings), find_live(store)
    if wanted == NEWEST:
        passed = [one for one in known if one.verdict is not None and one.verdict.passed]
        if not passed:
            raise ActionableError("No bundle has passed its gates.", "See `rec bundles` for the reasons.")
        return passed[0]
    if wanted == PREVIOUS:
        if live is None or not live.before:
            raise ActionableError("No bundle was live before this one.", "Name one: see `rec bundles`.")
        wanted = live.before[0]
    matches = [one for one in known if one.bundle_id.startswith(wanted)]
    if len(matches) != 1 or not wanted:
        many = "more than one bundle begins" if matches else "there is no bundle that begins"
        raise ActionableError(f"{many.capitalize()} with '{wanted}'.", "Name one of `rec bundles`.")
    return matches[0]


def require_fit(candidate: Known, live: Live | None) -> None:
    """Refuses a bundle that did not pass its gates; one that was live before may come back.

    Raises:
        ActionableError: it was not judged, or failed; with every reason.
    """
    if live is not None and candidate.bundle_id in (live.bundle_id, *live.before):
        return
    day, asset = candidate.manifest.as_of, candidate.asset
    if candidate.verdict is None:
        raise ActionableError(
            f"Bundle {candidate.bundle_id} was never judged.", f"Run the checks of {asset} for {day}, then try again."
        )
    if not candidate.verdict.passed:
        reasons = "".join(f"\n  {reason}" for reason in candidate.verdict.reasons)
        raise ActionableError(
            f"Bundle {candidate.bundle_id} did not pass its gates:{reasons}",
            f"Mend what they name and materialize {asset} for {day} again.",
        )


def promote(store: ArtifactStore, settings: Settings, wanted: str, report: Report) -> Live:
    """Makes a bundle the one that answers, without a failed request; a second promotion waits for the first.

    It is loaded beside the live one, asked on trial, switched to as a whole, asked again, and recorded. The Triton
    repository keeps it and the one that was live until now, so that to go back, and forth again, needs no loading.

    Args:
        store: where bundles and the record are.
        settings: where Triton is.
        wanted: as `choose` takes it.
        report: called with a line a step.

    Returns:
        The record.

    Raises:
        ActionableError: as `choose` and `require_fit`; the bundle was changed since it was written; Triton is away,
            refuses it, or does not answer as it should. What was live still is.
    """
    folder = repository.repository_path(settings)
    with one_at_a_time(folder / ".promotion.lock", LOCK_PATIENCE_S, "Another promotion"):
        before = find_live(store)
        candidate = choose(store, settings, wanted)
        require_fit(candidate, before)
        bundle = Bundle.open(candidate.path, verify=True)
        report(f"Bundle {bundle.bundle_id} ({candidate.kind}, {bundle.manifest.as_of}) is whole and passed its gates")
        if settings.triton_replicas:
            _on_replicas(settings, candidate, report)
            live = _record(store, bundle, None, before)
        else:
            live = _record(store, bundle, _on_this_server(settings, bundle, report), before)
            if repository.prune(folder, [] if before is None else [before.bundle_id]):
                control.load(settings)  # the server lets go of what was removed
        report(f"Bundle {live.bundle_id} is live")
        return live


def _on_this_server(settings: Settings, bundle: Bundle, report: Report) -> int:
    folder = repository.repository_path(settings)
    repository.prune(folder, [repository.bundle_id(folder, version) for version in repository.versions(folder)])
    version = repository.version_of(folder, bundle.bundle_id)
    if version is None:
        version = repository.publish(bundle, folder, settings=settings)
    report(f"Loading it as version {version} beside the live one")
    control.go_live(settings, version, bundle.lookups.vocabularies["user_id"][:_SMOKE_USERS].tolist())
    return version


def _on_replicas(settings: Settings, candidate: Known, report: Report) -> None:
    from rec_assets.serving import replicas
    from rec_assets.serving.agent import Candidate

    found = replicas.replicas_of(settings)
    report(f"Asking {len(found)} replicas to prepare it, then to switch")
    wanted = Candidate(candidate.asset, candidate.manifest.as_of.isoformat(), candidate.bundle_id)
    replicas.promote(found, wanted, settings.triton_control_key)


def _record(store: ArtifactStore, bundle: Bundle, version: int | None, before: Live | None) -> Live:
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
