"""Finds and checks bundles that can be promoted. Does not load or promote them."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from rec_assets.bundles.bundle import ASSETS, MANIFEST, Bundle, Manifest
from rec_assets.bundles.canary_record import read_canary
from rec_assets.bundles.gate_results import GateReport, find_gate_report
from rec_assets.bundles.live_record import LIVE_BUNDLE, Live, find_live
from rec_assets.bundles.signature import require_signed
from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton import model_repository
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.versions import UNPARTITIONED

NEWEST, PREVIOUS = "newest", "previous"


@dataclass(frozen=True)
class BundleCandidate:
    """A stored bundle with its gate report.

    Attributes:
        path: folder of the bundle; of a bundle in a bucket, it exists after `fetch`.
        manifest: its manifest.
        gate_report: None before the gates ran.
        artifact: its version in the artifact store; None for a bundle that only the Triton repository has.
    """

    path: Path
    manifest: Manifest
    gate_report: GateReport | None
    artifact: Artifact | None = None

    def fetch(self, store: ArtifactStore) -> Path:
        """Makes the bundle readable on this machine, and returns its folder; raises ActionableError if damaged."""
        return self.path if self.artifact is None else store.fetch(self.artifact).path

    @property
    def bundle_id(self) -> str:
        """Returns the bundle's id."""
        return self.manifest.bundle_id

    @property
    def kind(self) -> str:
        """Returns "full training" or "fine-tune"."""
        return "full training" if self.manifest.as_of == self.manifest.base else "fine-tune"

    @property
    def asset(self) -> str:
        """Returns the name of the asset that made the bundle."""
        return ASSETS[self.kind == "fine-tune"]


def known_bundles(store: ArtifactStore, settings: Settings) -> list[BundleCandidate]:
    """Returns all bundles, newest day first; a full training comes before a fine-tune of the same day.

    Reads the manifests of the current versions in the artifact store, of earlier versions that were live, and of the
    bundles in the Triton repository. Does not download bundles.
    """
    candidates: dict[str, BundleCandidate] = {}
    for artifact, manifest in _stored_bundles(store):
        report = find_gate_report(store, manifest.bundle_id)
        candidates.setdefault(manifest.bundle_id, BundleCandidate(artifact.path, manifest, report, artifact))
    for path in (model_repository.repository_path(settings) / ".bundles").glob("[!.]*"):
        # A damaged bundle must not prevent the list; `rec verify` and `promote` report the damage.
        with suppress(ActionableError):
            manifest = Bundle.open(path).manifest
            report = find_gate_report(store, manifest.bundle_id)
            candidates.setdefault(manifest.bundle_id, BundleCandidate(path, manifest, report))
    return sorted(candidates.values(), key=lambda one: (one.manifest.as_of, one.manifest.base), reverse=True)


def _stored_bundles(store: ArtifactStore) -> Iterator[tuple[Artifact, Manifest]]:
    """Yields the bundles that are not damaged: current ones, and earlier ones that were live."""
    live = find_live(store)
    were_live = () if live is None else (live.bundle_id, *live.before)
    for asset, day in (*_partitions(store), (LIVE_BUNDLE, UNPARTITIONED)):
        with suppress(ActionableError):
            for number, artifact in enumerate(store.kept(asset, day)):
                with suppress(ActionableError):
                    manifest = read_manifest(store, artifact)
                    is_current = number == 0 and asset in ASSETS
                    if is_current or manifest.bundle_id in were_live:
                        yield artifact, manifest


def checked_bundle(store: ArtifactStore, settings: Settings, candidate: BundleCandidate) -> Bundle:
    """Downloads and opens a bundle; raises ActionableError if a byte was changed, or the signature is missing."""
    bundle = Bundle.open(candidate.fetch(store), verify=True)
    require_signed(bundle, settings.bundle_key)
    return bundle


def stored_bundle(store: ArtifactStore, asset: str, partition: str, digest: str, bundle_id: str) -> Bundle:
    """Downloads and opens a bundle of an asset partition's version; raises ActionableError if gone or changed."""
    artifact = next((one for one in store.kept(asset, partition) if one.digest == digest), None)
    if artifact is None:
        raise ActionableError(
            f"{asset} [{partition}] has no version with bundle {bundle_id}.",
            "The asset was rebuilt in the meantime. Promote its new bundle.",
        )
    return Bundle.open(store.fetch(artifact).path, verify=True)


def read_manifest(store: ArtifactStore, artifact: Artifact) -> Manifest:
    """Returns the manifest of a stored bundle, without downloading it; raises ActionableError if it is damaged."""
    try:
        return Manifest.model_validate_json(store.read_text(artifact, MANIFEST))
    except ValidationError as error:
        where = f"{artifact.asset} [{artifact.partition}]"
        raise ActionableError(
            f"{MANIFEST} of {where} cannot be read ({error}).", f"Materialize {where} again."
        ) from error


def _damage(store: ArtifactStore) -> Iterator[tuple[str, ActionableError]]:
    """Yields the day and the problem of each damaged bundle."""
    for asset, day in _partitions(store):
        try:
            artifact = store.current(asset, day)
            if artifact is not None:
                read_manifest(store, artifact)
        except ActionableError as error:
            yield day, error


def _partitions(store: ArtifactStore) -> list[tuple[str, str]]:
    return [(asset, day) for asset in ASSETS for day in store.partitions(asset)]


def resolve_bundle(store: ArtifactStore, settings: Settings, wanted: str) -> BundleCandidate:
    """Returns the bundle that an id, a prefix or a keyword refers to.

    Args:
        store: artifact store with the bundles and the live record.
        settings: gives the path of the Triton repository.
        wanted: an id or the beginning of an id; `NEWEST`, the newest bundle that passed its gates and was neither
            rolled back nor stopped; or `PREVIOUS`, the bundle that was live before the current one.

    Raises:
        ActionableError: no bundle or more than one bundle matches; or for `NEWEST`, a bundle of the same or a later
            day is damaged.
    """
    known, live = known_bundles(store, settings), find_live(store)
    if wanted == NEWEST:
        return _newest(store, known, live)
    if wanted == PREVIOUS:
        if live is None or not live.before:
            raise ActionableError("No bundle was live before this one.", "Choose an id from `rec bundles`.")
        wanted = live.before[0]
    matches = [one for one in known if one.bundle_id.startswith(wanted)]
    if not matches and (damage := next(_damage(store), None)):
        problem, next_step = damage[1].problem, damage[1].next_step
        raise ActionableError(
            f"No readable bundle id begins with '{wanted}'. A bundle is damaged: {problem}", next_step
        )
    if len(matches) != 1 or not wanted:
        problem = "More than one bundle id begins" if matches else "No bundle id begins"
        raise ActionableError(f"{problem} with '{wanted}'.", "Choose an id from `rec bundles`.")
    return matches[0]


def _newest(store: ArtifactStore, known: Sequence[BundleCandidate], live: Live | None) -> BundleCandidate:
    passed = [one for one in known if one.gate_report is not None and one.gate_report.passed]
    stopped = read_canary(store)
    wanted = [
        one
        for one in passed
        if not (stopped.reason(one.manifest) or (live is not None and live.has_withdrawn(one.manifest)))
    ]
    newest = wanted[0].manifest.as_of.isoformat() if wanted else ""
    for day, damage in _damage(store):
        if day >= newest:
            raise ActionableError(
                f"The newest bundle is damaged, or one of its day: {damage.problem}", damage.next_step
            )
    if not passed:
        raise ActionableError("No bundle has passed its gates.", "Read the reasons in `rec bundles`.")
    if not wanted:
        raise ActionableError(
            "Every bundle that passed its gates was rolled back or stopped.", "Choose an id from `rec bundles`."
        )
    return wanted[0]


def require_promotable(candidate: BundleCandidate, live: Live | None) -> None:
    """Refuses a bundle that did not pass its gates, unless it was live before.

    Raises:
        ActionableError: the bundle has no gate report or failed a gate; the message has every reason.
    """
    if live is not None and candidate.bundle_id in (live.bundle_id, *live.before):
        return
    day, asset = candidate.manifest.as_of, candidate.asset
    if candidate.gate_report is None:
        raise ActionableError(
            f"Bundle {candidate.bundle_id} has no gate report.", f"Run the checks of {asset} for {day}, then retry."
        )
    if not candidate.gate_report.passed:
        reasons = "".join(f"\n  {reason}" for reason in candidate.gate_report.reasons)
        raise ActionableError(
            f"Bundle {candidate.bundle_id} did not pass its gates:{reasons}",
            f"Fix the causes and materialize {asset} for {day} again.",
        )
