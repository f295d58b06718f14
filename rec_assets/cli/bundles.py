"""`rec bundles`, `rec promote`, `rec rollback`: what could be live, and what is."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rec_assets.cli.console import load_settings, print_table, say

if TYPE_CHECKING:
    from rec_assets.bundles.live_record import Live
    from rec_assets.serving.promotion.catalog import BundleCandidate

Bundle = Annotated[str, typer.Argument(help="A bundle's id, or how it begins; see rec bundles.")]


def bundles(
    k: Annotated[int, typer.Option("-k", min=1, help="How many, newest first.")] = 20,
) -> None:
    """List the bundles: their day, what they descend from, how good they are, and whether they may go live."""
    from rec_assets.bundles.live_record import find_live
    from rec_assets.serving.promotion.catalog import known_bundles
    from rec_assets.storage.stores import open_store

    settings = load_settings()
    store = open_store(settings)
    live, known = find_live(store), known_bundles(store, settings)[:k]
    if not known:
        say("There is no bundle yet: make demo trains a first one.")
        return
    rows = [
        (
            one.bundle_id,
            one.manifest.as_of,
            one.kind,
            one.manifest.parent or "-",
            *_measured(one),
            _state(one, live),
        )
        for one in known
    ]
    columns = {"bundle": False, "as of": False, "made by": False, "parent": False, "NDCG@10": True, "popularity": True}
    print_table("Bundles", columns | {"state": False}, rows)
    for one in known:
        for reason in [] if one.verdict is None else one.verdict.reasons:
            say(f"{one.bundle_id} [{one.manifest.as_of}] {reason}")


def promote(bundle: Bundle) -> None:
    """Put a bundle before users: it is loaded beside the live one, tried, and switched to as a whole."""
    from rec_assets.orchestration.runs.run_local import promote as run

    run(load_settings(), bundle)


def rollback(
    bundle: Annotated[str, typer.Argument(help="Another one than the last before this.")] = "previous",
) -> None:
    """Go back to the bundle that was live before this one."""
    from rec_assets.orchestration.runs.run_local import promote as run

    run(load_settings(), bundle)


def say_live() -> None:
    """Prints what is live: its day, parent, metric and age, and whether that is what answers."""
    from rec_assets.bundles.bundle import MANIFEST, Manifest
    from rec_assets.bundles.live_record import find_live, live_path
    from rec_assets.serving.triton import server_control
    from rec_assets.storage.stores import open_store

    settings = load_settings()
    store = open_store(settings)
    live, path = find_live(store), live_path(store)
    if live is None or path is None:
        say("No bundle was promoted yet.")
        return
    manifest = Manifest.model_validate_json((path / MANIFEST).read_text())
    answering = server_control.answering_bundle(settings)
    facts = {
        "as of": manifest.as_of,
        "full training": manifest.base,
        "parent": manifest.parent or "-",
        "live for": _age(live.promoted_at),
        "before it": ", ".join(live.before[:2]) or "-",
        "answers": "yes" if answering == live.bundle_id else f"no: {answering or 'nothing'} does",
    }
    facts |= {f"ndcg@10, {name}": f"{value:.4f}" for name, value in manifest.metrics.items() if name.endswith(" all")}
    print_table(f"Live bundle {live.bundle_id}", {"": False, " ": False}, facts.items())


def _measured(one: "BundleCandidate") -> tuple[str, str]:
    """NDCG@10 of the judges, the bundle's and popularity's."""
    figures = (
        {} if one.verdict is None else {g.name: g.figures for g in one.verdict.gates}.get("better_than_popularity")
    )
    if not figures:
        return "-", "-"
    return f"{figures['candidate']:.4f}", f"{figures['popularity']:.4f}"


def _state(one: "BundleCandidate", live: "Live | None") -> str:
    if live is not None and one.bundle_id == live.bundle_id:
        return "live"
    if one.verdict is None:
        return "not judged"
    if not one.verdict.passed:
        return f"refused: {', '.join(gate.name for gate in one.verdict.gates if not gate.passed)}"
    return "was live" if live is not None and one.bundle_id in live.before else "passed"


def _age(since: datetime) -> str:
    minutes = int((datetime.now(UTC) - since).total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min"
