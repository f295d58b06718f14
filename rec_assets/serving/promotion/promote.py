"""Chooses a bundle, checks it, puts it before users, records it, and takes it back.

Every step can be killed: the record comes last, what was live serves until the switch, and the same call again goes on.
"""

from collections.abc import Callable

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.live_record import Live, find_live, record_live
from rec_assets.serving.promotion.catalog import BundleCandidate, require_promotable, resolve_bundle
from rec_assets.serving.triton import model_repository, server_control
from rec_assets.settings import Settings
from rec_assets.storage.artifact_store import ArtifactStore
from rec_assets.storage.file_lock import exclusive_lock

_SMOKE_USERS = 3
LOCK_PATIENCE_S = 600.0  # a promotion takes seconds; one that waits longer waits for something that is stuck

Report = Callable[[str], None]


def promote(store: ArtifactStore, settings: Settings, wanted: str, report: Report) -> Live:
    """Makes a bundle the one that answers, without a failed request; a second promotion waits for the first.

    It is loaded beside the live one, asked on trial, switched to as a whole, asked again, and recorded. The Triton
    repository keeps it and the one that was live until now, so that to go back, and forth again, needs no loading.

    Args:
        store: where bundles and the record are.
        settings: where Triton is.
        wanted: as `resolve_bundle` takes it.
        report: called with a line a step.

    Returns:
        The record.

    Raises:
        ActionableError: as `resolve_bundle` and `require_promotable`; the bundle was changed since it was written; or
            Triton is away, refuses the bundle or does not answer as expected. The live bundle stays live.
    """
    folder = model_repository.repository_path(settings)
    with exclusive_lock(folder / ".promotion.lock", LOCK_PATIENCE_S, "Another promotion"):
        before = find_live(store)
        candidate = resolve_bundle(store, settings, wanted)
        require_promotable(candidate, before)
        bundle = Bundle.open(candidate.path, verify=True)
        report(f"Bundle {bundle.bundle_id} ({candidate.kind}, {bundle.manifest.as_of}) is whole and passed its gates")
        if settings.triton_replicas:
            _on_replicas(settings, candidate, report)
            live = record_live(store, bundle, None, before)
        else:
            live = record_live(store, bundle, _on_this_server(settings, bundle, report), before)
            if model_repository.prune(folder, [] if before is None else [before.bundle_id]):
                server_control.load(settings)  # the server lets go of what was removed
        report(f"Bundle {live.bundle_id} is live")
        return live


def _on_this_server(settings: Settings, bundle: Bundle, report: Report) -> int:
    folder = model_repository.repository_path(settings)
    model_repository.prune(
        folder, [model_repository.bundle_id(folder, version) for version in model_repository.versions(folder)]
    )
    version = model_repository.version_of(folder, bundle.bundle_id)
    if version is None:
        version = model_repository.publish(bundle, folder, settings=settings)
    report(f"Loading it as version {version} beside the live one")
    server_control.go_live(settings, version, bundle.lookups.vocabularies["user_id"][:_SMOKE_USERS].tolist())
    return version


def _on_replicas(settings: Settings, candidate: BundleCandidate, report: Report) -> None:
    from rec_assets.serving.promotion import replicas
    from rec_assets.serving.promotion.protocol import Candidate

    found = replicas.replicas_of(settings)
    report(f"Asking {len(found)} replicas to prepare it, then to switch")
    wanted = Candidate(candidate.asset, candidate.manifest.as_of.isoformat(), candidate.bundle_id)
    replicas.promote(found, wanted, settings.triton_control_key)
