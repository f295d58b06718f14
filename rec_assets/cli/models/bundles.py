"""`rec bundles`, `rec promote`, `rec rollback`: lists bundles and makes one live."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rec_assets.cli.console import load_settings, print_table, say
from rec_assets.cli.models.canary import share_of

if TYPE_CHECKING:
    from rec_assets.bundles.canary_record import CanaryRecord
    from rec_assets.bundles.live_record import Live
    from rec_assets.serving.promotion.catalog import BundleCandidate

Bundle = Annotated[str, typer.Argument(help="Bundle id or its first characters; see rec bundles.")]


def bundles(
    k: Annotated[int, typer.Option("-k", min=1, help="Number of bundles, newest first.")] = 20,
) -> None:
    """List the bundles with their day, parent, NDCG@10 and gate report."""
    from rec_assets.bundles.canary_record import read_canary
    from rec_assets.bundles.live_record import find_live
    from rec_assets.serving.promotion.catalog import known_bundles
    from rec_assets.storage.artifacts.stores import open_store

    settings = load_settings()
    store = open_store(settings)
    live, canary, known = find_live(store), read_canary(store), known_bundles(store, settings)[:k]
    if not known:
        say("No bundle exists. Train the first one: make demo.")
        return
    rows = [
        (
            one.bundle_id,
            one.manifest.as_of,
            one.kind,
            one.manifest.parent or "-",
            *_measured(one),
            _state(one, live, canary),
        )
        for one in known
    ]
    columns = {"bundle": False, "as of": False, "made by": False, "parent": False, "NDCG@10": True, "popularity": True}
    print_table("Bundles", columns | {"state": False}, rows)
    for one in known:
        for reason in [] if one.gate_report is None else one.gate_report.reasons:
            say(f"{one.bundle_id} [{one.manifest.as_of}] {reason}")
        if reason := canary.reason(one.manifest):
            say(f"{one.bundle_id} [{one.manifest.as_of}] {reason}")


def promote(
    bundle: Bundle,
    canary: Annotated[str, typer.Option(help="Only for this share of the users, such as 5%.")] = "0",
    shadow: Annotated[str, typer.Option(help="Mirror this share of requests to it, such as 1%.")] = "0",
) -> None:
    """Make a bundle live: load it beside the live one, test it, and switch to it as a whole.

    With --canary or --shadow the live bundle stays live, and `rec canary` compares both.
    """
    share, mirrored = share_of(canary), share_of(shadow)
    if not (share or mirrored):
        from rec_assets.orchestration.runs.run_local import promote as run

        return run(load_settings(), bundle)
    from rec_assets.serving.promotion.canary import start_canary
    from rec_assets.storage.artifacts.stores import open_store

    settings = load_settings()
    start_canary(open_store(settings), settings, bundle, say, share=share, shadow=mirrored)
    say("Compare both bundles: rec canary status. Then: rec canary accept, or rec canary stop.")


def rollback(
    bundle: Annotated[str, typer.Argument(help="An earlier bundle; default: the previous one.")] = "previous",
) -> None:
    """Make the bundle live again that was live before the current one."""
    from rec_assets.orchestration.runs.run_local import promote as run

    run(load_settings(), bundle)


def say_live() -> None:
    """Prints the live bundle with day, parent, metrics and age, and whether Triton serves this bundle."""
    from rec_assets.bundles.bundle import MANIFEST, Manifest
    from rec_assets.bundles.live_record import find_live, live_path
    from rec_assets.serving.triton.control import server as server_control
    from rec_assets.storage.artifacts.stores import open_store

    settings = load_settings()
    store = open_store(settings)
    live, path = find_live(store), live_path(store)
    if live is None or path is None:
        say("No bundle was promoted yet.")
        return
    manifest = Manifest.model_validate_json((path / MANIFEST).read_text())
    served = server_control.answering_bundle(settings)
    facts = {
        "as of": manifest.as_of,
        "full training": manifest.base,
        "parent": manifest.parent or "-",
        "live for": _age(live.promoted_at),
        "before": ", ".join(live.before[:2]) or "-",
        "served": "yes" if served == live.bundle_id else f"no: Triton serves {served or 'no bundle'}",
    }
    facts |= {f"ndcg@10, {name}": f"{value:.4f}" for name, value in manifest.metrics.items() if name.endswith(" all")}
    print_table(f"Live bundle {live.bundle_id}", {"": False, " ": False}, facts.items())


def _measured(one: "BundleCandidate") -> tuple[str, str]:
    """Returns NDCG@10 of the bundle and of popularity, measured on holdout users; "-" without a gate report."""
    figures = (
        {}
        if one.gate_report is None
        else {g.name: g.figures for g in one.gate_report.gates}.get("better_than_popularity")
    )
    if not figures:
        return "-", "-"
    return f"{figures['candidate']:.4f}", f"{figures['popularity']:.4f}"


def _state(one: "BundleCandidate", live: "Live | None", canary: "CanaryRecord") -> str:
    if live is not None and one.bundle_id == live.bundle_id:
        return "live"
    if canary.running is not None and one.bundle_id == canary.running.bundle_id:
        return f"canary, {canary.running.share:.1%}"
    if live is not None and live.has_withdrawn(one.manifest):
        return "rolled back"
    if canary.reason(one.manifest):
        return "stopped"
    if one.gate_report is None:
        return "not evaluated"
    if not one.gate_report.passed:
        return f"failed: {', '.join(gate.name for gate in one.gate_report.gates if not gate.passed)}"
    return "was live" if live is not None and one.bundle_id in live.before else "passed"


def _age(since: datetime) -> str:
    minutes = int((datetime.now(UTC) - since).total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"
