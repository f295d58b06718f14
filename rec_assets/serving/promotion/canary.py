"""Starts and stops the canary of a candidate, on this server or on all replicas. `promote` accepts a candidate."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from rec_assets.bundles.bundle import Bundle, Manifest
from rec_assets.bundles.canary_record import Canary, CanaryRecord, change_canary, read_canary
from rec_assets.bundles.live_record import Live, find_live
from rec_assets.common.errors import ActionableError
from rec_assets.serving.canary.board import CanaryBoard
from rec_assets.serving.canary.route import Route
from rec_assets.serving.promotion import replicas
from rec_assets.serving.promotion.catalog import (
    BundleCandidate,
    checked_bundle,
    require_promotable,
    resolve_bundle,
    stored_bundle,
)
from rec_assets.serving.promotion.exclusive import Report, exclusive_promotion
from rec_assets.serving.promotion.protocol import Candidate
from rec_assets.serving.triton import model_repository
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.model_repository import repository_path
from rec_assets.serving.triton.own_server import require_own_triton
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.valkey.client import connect, translate_redis_errors
from rec_assets.storage.valkey.own_server import require_own_valkey


def start_canary(
    store: ArtifactStore, settings: Settings, wanted: str, report: Report, share: float = 0.0, shadow: float = 0.0
) -> Canary:
    """Loads a candidate beside the live bundle, and lets it answer a share of the users.

    Args:
        store: artifact store with the bundles and the records.
        settings: addresses of Triton, or name of its replicas, and of Valkey.
        wanted: id, prefix or keyword, as in `resolve_bundle`.
        report: called with one line per step.
        share: share of the users who get the candidate's lists, 0 to 1.
        shadow: share of the other requests that the candidate answers too, for the comparison only, 0 to 1.

    Raises:
        ActionableError: no bundle is live, another canary runs, the bundle cannot be promoted, or it does not load and
            answer; or Valkey or Triton belongs to another home. Then all users keep getting the live bundle.
    """
    require_own_valkey(settings)
    with exclusive_promotion(store, settings) as token:
        candidate, live = resolve_bundle(store, settings, wanted), find_live(store)
        require_promotable(candidate, live)
        _require_free(read_canary(store), candidate, live)
        if (artifact := candidate.artifact) is None:
            raise ActionableError(
                f"Bundle {candidate.bundle_id} is not in the artifact store.", "Choose another id from `rec bundles`."
            )
        bundle = checked_bundle(store, settings, candidate)
        with _board(settings) as board:
            board.reset(candidate.bundle_id)
        report(f"Loading bundle {bundle.bundle_id} beside the live bundle")
        _load(settings, bundle, artifact, token)
        canary = Canary(
            bundle_id=bundle.bundle_id,
            models_id=bundle.manifest.models_id,
            asset=artifact.asset,
            partition=artifact.partition,
            digest=artifact.digest,
            share=share,
            shadow=shadow,
            started_at=datetime.now(UTC).replace(microsecond=0),
        )
        change_canary(store, lambda record: record.model_copy(update={"running": canary}))
        renew_route(settings, canary)
        report(f"Bundle {canary.bundle_id} answers {canary.share:.1%} of the users")
        return canary


def stop_canary(store: ArtifactStore, settings: Settings, reason: str) -> Canary:
    """Gives all users the live bundle again, and unloads the candidate. No sensor promotes it again.

    Args:
        store: artifact store with the records.
        settings: addresses of Triton, or name of its replicas, and of Valkey.
        reason: why, for a person.

    Raises:
        ActionableError: no canary runs.
    """
    canary = read_canary(store).running
    if canary is None:
        raise ActionableError("No canary runs.", "Start one with `rec promote ID --canary 5%`.")
    _close(settings)
    change_canary(store, lambda record: record.with_stopped(canary.bundle_id, canary.models_id, reason))
    if not settings.triton_replicas:
        with exclusive_promotion(store, settings):
            server_control.unload_candidate(settings)
            live = find_live(store)
            keep_only_live_and(settings, [] if live is None else live.before[:1])
    return canary


def end_canary(store: ArtifactStore, settings: Settings, live: Manifest) -> None:
    """Ends a running canary after a bundle went live, whether it was the candidate or not."""
    change_canary(store, lambda record: record.with_live(live))
    _close(settings)
    if not settings.triton_replicas:
        server_control.unload_candidate(settings)


def serve_candidate(store: ArtifactStore, settings: Settings) -> None:
    """Makes the server of this machine load the candidate of the running canary, or unload one whose canary ended.

    Raises:
        ActionableError: the candidate is no longer stored, or does not load and answer.
    """
    canary = read_canary(store).running
    if canary is None:
        server_control.unload_candidate(settings)
    elif server_control.candidate_id(settings) != canary.bundle_id:
        bundle = stored_bundle(store, canary.asset, canary.partition, canary.digest, canary.bundle_id)
        server_control.load_candidate(settings, model_repository.published(bundle, repository_path(settings), settings))


def keep_only_live_and(settings: Settings, bundles: Sequence[str]) -> None:
    """Makes the server of this machine unload and delete all versions but the live one and those of some bundles."""
    if model_repository.prune(repository_path(settings), bundles):
        server_control.load(settings)


def renew_route(settings: Settings, canary: Canary) -> None:
    """Keeps the share of a running canary open; raises ActionableError if Valkey does not answer."""
    with _board(settings) as board:
        board.open(route_of(canary))


def is_routed(settings: Settings) -> bool:
    """Returns True if clients ask the candidate; raises ActionableError if Valkey does not answer."""
    with _board(settings) as board:
        return board.route() is not None


def route_of(canary: Canary) -> Route:
    """Returns the route of a canary."""
    return Route(bundle_id=canary.bundle_id, share=canary.share, shadow=canary.shadow)


def counts_of(settings: Settings, canary: Canary) -> dict[str, float]:
    """Returns the counts of all clients since a canary started; raises ActionableError if Valkey does not answer."""
    with _board(settings) as board:
        return board.counts(canary.bundle_id)


def _require_free(record: CanaryRecord, candidate: BundleCandidate, live: Live | None) -> None:
    if live is None:
        raise ActionableError("No bundle is live to compare a candidate with.", "Promote a first bundle: rec promote.")
    if live.bundle_id == candidate.bundle_id:
        raise ActionableError(f"Bundle {live.bundle_id} is live already.", "Choose another id from `rec bundles`.")
    if record.running is not None:
        raise ActionableError(
            f"The canary of bundle {record.running.bundle_id} runs.", "End it: rec canary accept, or rec canary stop."
        )


def _load(settings: Settings, bundle: Bundle, artifact: Artifact, token: int) -> None:
    """Loads a candidate into this server. Replicas only test it now: they follow the record within seconds."""
    if settings.triton_replicas:
        wanted = Candidate(artifact.asset, artifact.partition, artifact.digest, bundle.bundle_id, token)
        ready = replicas.ready_replicas(replicas.replicas_of(settings))
        return replicas.prepare(ready, wanted, settings.triton_control_key)
    require_own_triton(settings)
    server_control.load_candidate(settings, model_repository.published(bundle, repository_path(settings), settings))


def _close(settings: Settings) -> None:
    with suppress(ActionableError), _board(settings) as board:  # without Valkey, clients know no canary
        board.close()


@contextmanager
def _board(settings: Settings) -> Iterator[CanaryBoard]:
    client = connect(settings)
    with translate_redis_errors(client):
        yield CanaryBoard(client)
