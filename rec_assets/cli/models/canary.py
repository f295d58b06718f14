"""`rec canary …`: shows, accepts and stops the canary that `rec promote --canary` or `promotion_sensor` started."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import typer

from rec_assets.cli.console import ExplainingGroup, load_settings, print_table, say
from rec_assets.common.errors import ActionableError

if TYPE_CHECKING:
    from rec_assets.bundles.canary_record import Canary
    from rec_assets.settings import Settings

canary = typer.Typer(
    cls=ExplainingGroup, no_args_is_help=True, help="The candidate bundle that answers a share of the users."
)


@canary.command()
def status() -> None:
    """Compare the candidate with the live bundle: requests, errors, times, clicks, and lists of mirrored requests."""
    from rec_assets.bundles.canary_record import read_canary
    from rec_assets.serving.promotion.canary import counts_of, is_routed
    from rec_assets.storage.artifacts.stores import open_store

    settings = load_settings()
    running = read_canary(open_store(settings)).running
    if running is None:
        return say("No canary runs. Start one: rec promote ID --canary 5%.")
    counts = counts_of(settings, running)
    say(
        f"Since {running.started_at:%Y-%m-%d %H:%M} UTC, bundle {running.bundle_id} answers {running.share:.1%} of the "
        f"users, and {running.shadow:.1%} of the other requests in the shadow."
    )
    _print_comparison(settings, running, counts)
    say(_judgement(settings, counts))
    if not is_routed(settings):
        say("No client asks it, because nothing watches it: start `rec up`, or Dagster's delivery_sensor.")


@canary.command()
def accept() -> None:
    """Make the candidate live for all users; the canary ends."""
    from rec_assets.bundles.canary_record import read_canary
    from rec_assets.orchestration.runs.run_local import promote
    from rec_assets.storage.artifacts.stores import open_store

    settings = load_settings()
    running = read_canary(open_store(settings)).running
    if running is None:
        raise ActionableError("No canary runs.", "Start one with `rec promote ID --canary 5%`.")
    promote(settings, running.bundle_id)


@canary.command()
def stop() -> None:
    """Give all users the live bundle again; no sensor promotes the candidate by itself."""
    from rec_assets.serving.promotion.canary import stop_canary
    from rec_assets.storage.artifacts.stores import open_store

    settings = load_settings()
    stopped = stop_canary(open_store(settings), settings, "canary: stopped by a person")
    say(f"The canary of bundle {stopped.bundle_id} has ended. All users get the live bundle.")


def share_of(text: str) -> float:
    """Returns the share that a text such as 5% or 0.05 states; raises ActionableError for another text."""
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise ActionableError(f"'{text}' is not a share.", "Write it as 5% or 0.05, at most 100%.")
    return share


def _print_comparison(settings: "Settings", running: "Canary", counts: Mapping[str, float]) -> None:
    from rec_assets.realtime.log.open_log import open_log
    from rec_assets.serving.canary.clicks import clicks_of
    from rec_assets.serving.canary.tally import CANDIDATE, LIVE, MIRRORED, SHADOW, Shadow, Tally
    from rec_assets.serving.promotion.canary import route_of

    groups = {
        "candidate, its users": Tally.of(CANDIDATE, counts),
        "live, other users": Tally.of(LIVE, counts),
        "candidate, mirrored": Tally.of(SHADOW, counts),
        "live, mirrored": Tally.of(MIRRORED, counts),
    }
    candidate, live = (one.requests + one.missed for one in list(groups.values())[:2])
    clicks = clicks_of(open_log(settings), route_of(running), running.started_at, candidate, live)
    columns = {"bundle": False, "requests": True, "errors": True, "p50": True, "p99": True}
    rows = []
    for number, (name, tally) in enumerate(groups.items()):
        if number < 2 or tally.requests:
            times = (_milliseconds(tally.quantile(share)) for share in (0.5, 0.99))
            clicked = clicks[number] if number < 2 else None
            rate = "-" if clicked is None else f"{100 * clicked.per_answer:.2f} ± {100 * clicked.error:.2f}"
            rows.append((name, f"{tally.requests:,.0f}", f"{tally.error_share:.2%}", *times, rate))
    print_table(f"Canary of bundle {running.bundle_id}", columns | {"clicks per 100 answers": True}, rows)
    if groups["candidate, mirrored"].answers:
        lists = Shadow.of(counts)
        scores = f"scores differ by {lists.difference:.4f}"
        say(f"For mirrored requests, {lists.overlap:.0%} of the items are in both lists; {scores}.")


def _judgement(settings: "Settings", counts: Mapping[str, float]) -> str:
    from rec_assets.serving.canary.tally import CANDIDATE, SHADOW, Tally
    from rec_assets.serving.promotion.watch import broken_objective, objectives_of

    requests = max(Tally.of(arm, counts).requests for arm in (CANDIDATE, SHADOW))
    if reason := broken_objective(counts, objectives_of(settings)):
        return f"It breaks an objective and will be stopped: {reason}."
    if requests < settings.canary_min_requests:
        return f"{requests:,.0f} of {settings.canary_min_requests:,} requests that a judgement needs."
    return "It keeps its objectives. Make it live: rec canary accept. End it: rec canary stop."


def _milliseconds(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.1f} ms"
