"""Promotes a bundle: resolves and checks it, makes it live, and records it. A rollback is the same call.

Every step can be killed. The previous bundle answers until the switch, the record comes last, and a repeated call
continues.
"""

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.live_record import LIVE_BUNDLE, Live, read_record, record_live
from rec_assets.common.errors import ActionableError
from rec_assets.serving.promotion.canary import end_canary, keep_only_live_and
from rec_assets.serving.promotion.catalog import BundleCandidate, checked_bundle, require_promotable, resolve_bundle
from rec_assets.serving.promotion.exclusive import Report, exclusive_promotion
from rec_assets.serving.triton import model_repository
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.own_server import require_own_triton
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore

_SMOKE_USERS = 3


def promote(store: ArtifactStore, settings: Settings, wanted: str, report: Report) -> Live:
    """Makes a bundle live without a failed request; a second promotion waits for the first.

    Loads the bundle beside the live one, sends trial requests, switches, sends requests again, and records it. The
    Triton repository keeps this bundle and the previous one, so switching between the two needs no loading.

    Args:
        store: artifact store with the bundles and the live record.
        settings: address of Triton, or name of its replicas.
        wanted: id, prefix or keyword, as in `resolve_bundle`.
        report: called with one line per step.

    Returns:
        The live record.

    Raises:
        ActionableError: `resolve_bundle` or `require_promotable` fails; the bundle was changed after it was written; or
            Triton is unreachable, refuses the bundle or answers unexpectedly. The previous bundle stays live.
    """
    with exclusive_promotion(store, settings) as token:
        recorded = store.current(LIVE_BUNDLE)
        before, replaces = (None, "") if recorded is None else (read_record(store, recorded), recorded.digest)
        candidate = resolve_bundle(store, settings, wanted)
        require_promotable(candidate, before)
        bundle = checked_bundle(store, settings, candidate)
        report(
            f"Bundle {bundle.bundle_id} ({candidate.kind}, {bundle.manifest.as_of}) is complete and passed its gates"
        )
        if settings.triton_replicas:
            _on_replicas(settings, candidate, before, token, report)
            live = record_live(store, bundle, None, before, replaces)
            end_canary(store, settings, bundle.manifest)
        else:
            require_own_triton(settings)
            live = record_live(store, bundle, _on_this_server(settings, bundle, report), before, replaces)
            end_canary(store, settings, bundle.manifest)
            # The bundle that answered until now, or the one before it if the same bundle is promoted again.
            replaced = live if before is None else before
            keep_only_live_and(
                settings, live.before[:1] if replaced.bundle_id == live.bundle_id else [replaced.bundle_id]
            )
        report(f"Bundle {live.bundle_id} is live")
        return live


def _on_this_server(settings: Settings, bundle: Bundle, report: Report) -> int:
    folder = model_repository.repository_path(settings)
    model_repository.prune(
        folder, [model_repository.bundle_id(folder, version) for version in model_repository.versions(folder)]
    )
    version = model_repository.published(bundle, folder, settings)
    report(f"Loading the bundle as version {version} beside the live bundle")
    server_control.go_live(settings, version, bundle.lookups.vocabularies["user_id"][:_SMOKE_USERS].tolist())
    return version


def _on_replicas(
    settings: Settings, candidate: BundleCandidate, before: Live | None, token: int, report: Report
) -> None:
    """Switches all ready replicas, or none. Does nothing for a first bundle: the replicas follow the record."""
    from rec_assets.serving.promotion import replicas
    from rec_assets.serving.promotion.protocol import Candidate

    if before is None:
        return report("No bundle is live yet: the replicas load this one as soon as it is recorded")
    addresses = replicas.replicas_of(settings)
    ready = replicas.ready_replicas(addresses)
    if not ready and candidate.bundle_id in (before.bundle_id, *before.before):
        return report("No replica is ready: the replicas load the bundle, which was live before, from the record")
    if not ready:
        raise ActionableError(
            f"None of {len(addresses)} replicas is ready to test bundle {candidate.bundle_id}.",
            "Wait until a pod is ready, then promote the bundle again; promotion_sensor tries again by itself.",
        )
    followers = f"; {len(addresses) - len(ready)} that are not ready will follow" if len(ready) < len(addresses) else ""
    report(f"Preparing the bundle on {len(ready)} replicas, then switching them{followers}")
    if (stored := candidate.artifact) is None:
        raise ActionableError(
            f"Bundle {candidate.bundle_id} is not in the artifact store.", "Choose another id from `rec bundles`."
        )
    wanted = Candidate(stored.asset, stored.partition, stored.digest, candidate.bundle_id, token)
    replicas.promote(ready, wanted, settings.triton_control_key)
