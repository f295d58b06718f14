"""Watches a running canary, and a fresh promotion by Triton's own counters; stops the bundle that breaks an objective.

Each call of `watch` is one look. The supervisor of a laptop and Dagster's `delivery_sensor` call it again and again.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from rec_assets.bundles.canary_record import Canary, change_canary, read_canary
from rec_assets.bundles.live_record import LIVE_BUNDLE, find_live
from rec_assets.serving.canary.tally import CANDIDATE, LIVE, MIRRORED, SHADOW, Objectives, Tally
from rec_assets.serving.promotion import replicas
from rec_assets.serving.promotion.canary import counts_of, renew_route, serve_candidate, stop_canary
from rec_assets.serving.promotion.catalog import read_manifest
from rec_assets.serving.promotion.exclusive import exclusive_promotion
from rec_assets.serving.triton.control.counters import Counters, counters_by_bundle
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.file_lock import LockHeldError


@dataclass(frozen=True)
class Wanted:
    """A promotion that the caller must run now: of an accepted candidate, or back to the previous bundle."""

    bundle_id: str
    reason: str


def objectives_of(settings: Settings) -> Objectives:
    """Returns the objectives of the settings."""
    return Objectives(settings.canary_min_requests, settings.canary_max_errors, settings.canary_max_slowdown)


def broken_objective(counts: Mapping[str, float], objectives: Objectives) -> str:
    """Returns the objective that a candidate breaks for its users or in the shadow; empty if it breaks none."""
    pairs = ((CANDIDATE, LIVE), (SHADOW, MIRRORED))
    found = (objectives.broken_by(Tally.of(new, counts), Tally.of(old, counts)) for new, old in pairs)
    return next(filter(None, found), "")


def broken_promotion(
    new: Mapping[str, Counters], old: Mapping[str, Counters], objectives: Objectives, max_ms: float
) -> str:
    """Returns why the live bundle must go, from the counters of its models and of the previous bundle's.

    Args:
        new: counters of the live bundle by model.
        old: counters of the previous bundle by model; a missing one counts as without errors.
        objectives: limits of errors, and the least number of requests to a model.
        max_ms: longest mean time of an answer.
    """
    for model, counters in new.items():
        usual = old.get(model, Counters()).error_share
        if counters.requests < objectives.min_requests:
            continue
        if counters.error_share > usual + objectives.max_errors:
            return (
                f"{counters.error_share:.2%} of {counters.requests:,} requests to {model} failed, "
                f"{usual:.2%} with the bundle before"
            )
        if counters.mean_ms > max_ms:
            return f"{model} answers in {counters.mean_ms:.0f} ms on average, more than {max_ms:.0f} ms"
    return ""


def watch(store: ArtifactStore, settings: Settings) -> Wanted | None:
    """Looks once; returns the promotion that must follow, None if there is none.

    Raises:
        ActionableError: a server does not answer; a later look tries again.
    """
    canary = read_canary(store).running
    return _watched_promotion(store, settings) if canary is None else _watched_canary(store, settings, canary)


def _watched_canary(store: ArtifactStore, settings: Settings, canary: Canary) -> Wanted | None:
    counts, objectives = counts_of(settings, canary), objectives_of(settings)
    if reason := broken_objective(counts, objectives):
        stop_canary(store, settings, f"canary: {reason}")
        return None
    renew_route(settings, canary)
    if not settings.triton_replicas:
        try:
            with exclusive_promotion(store, settings, patience_s=0.0):
                serve_candidate(store, settings)
        except LockHeldError:  # a promotion runs
            return None
    ends = canary.started_at + timedelta(minutes=settings.canary_minutes)
    enough = Tally.of(CANDIDATE, counts).requests >= objectives.min_requests
    if settings.canary_minutes and enough and datetime.now(UTC) >= ends:
        return Wanted(canary.bundle_id, f"its canary kept all objectives for {settings.canary_minutes} minutes")
    return None


def _watched_promotion(store: ArtifactStore, settings: Settings) -> Wanted | None:
    artifact, live = store.current(LIVE_BUNDLE), find_live(store)
    if artifact is None or live is None or not live.before:
        return None
    if datetime.now(UTC) >= live.promoted_at + timedelta(minutes=settings.watch_minutes):
        return None
    names = settings.triton_replicas
    counters = replicas.counters(replicas.replicas_of(settings)) if names else counters_by_bundle(settings)
    new, old = counters.get(live.bundle_id, {}), counters.get(live.before[0], {})
    reason = broken_promotion(new, old, objectives_of(settings), settings.watch_max_ms)
    if not reason:
        return None
    models = read_manifest(store, artifact).models_id
    change_canary(store, lambda record: record.with_stopped(live.bundle_id, models, f"rolled back: {reason}"))
    return Wanted(live.before[0], reason)
