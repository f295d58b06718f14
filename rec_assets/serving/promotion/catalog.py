"""Finds bundles that can be promoted. Does not load or promote them."""

from dataclasses import dataclass
from pathlib import Path

from rec_assets.bundles.bundle import ASSETS, Bundle, Manifest
from rec_assets.bundles.gate_results import GateReport, find_gate_report
from rec_assets.bundles.live_record import Live, find_live
from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton import model_repository
from rec_assets.settings import Settings
from rec_assets.storage.artifact_store import ArtifactStore

NEWEST, PREVIOUS = "newest", "previous"


@dataclass(frozen=True)
class BundleCandidate:
    """A bundle that is there to be promoted."""

    path: Path
    manifest: Manifest
    verdict: GateReport | None

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


def known_bundles(store: ArtifactStore, settings: Settings) -> list[BundleCandidate]:
    """Returns all bundles, newest day first, a full training before a fine-tune of its day.

    They are the current versions in the artifact store, and what the Triton repository keeps of earlier ones.
    """
    kept = (model_repository.repository_path(settings) / ".bundles").glob("[!.]*")
    paths = [store.get(asset, day).path for asset in ASSETS for day in store.partitions(asset)]
    found: dict[str, BundleCandidate] = {}
    for path in (*paths, *(folder for folder in kept if folder.suffix != ".part")):
        try:
            manifest = Bundle.open(path).manifest
        except ActionableError:  # damaged: to promote it names what is wrong, to list the others it must not matter
            continue
        found.setdefault(
            manifest.bundle_id, BundleCandidate(path, manifest, find_gate_report(store, manifest.bundle_id))
        )
    return sorted(found.values(), key=lambda one: (one.manifest.as_of, one.manifest.base), reverse=True)


def resolve_bundle(store: ArtifactStore, settings: Settings, wanted: str) -> BundleCandidate:
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


def require_promotable(candidate: BundleCandidate, live: Live | None) -> None:
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
