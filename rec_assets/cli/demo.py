"""`rec demo` and `rec dev`: the whole system at once, to look at and to work with."""

import os
import sys
import time
from datetime import UTC
from typing import TYPE_CHECKING

import typer

from rec_assets.cli.console import load_settings, say

if TYPE_CHECKING:
    import polars as pl

    from rec_assets.settings import Settings

SHOWN = 8
PATIENCE_S = 10.0  # until a worker has applied what was reported
HOLDING = {"mobile": "on a phone ", "desktop": "on a desktop ", "tablet": "on a tablet "}


def demo() -> None:
    """Build the graph, serve it, ask it for recommendations, and leave nothing running."""
    from rec_assets.cli.local import supervision
    from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
    from rec_assets.settings import DEFAULT_SOURCE

    settings = load_settings()
    prepare_dagster_home(settings)
    started = time.monotonic()
    say("Starting Valkey, Triton and the worker")
    with supervision.services(settings):
        from rec_assets.orchestration.runs.run_local import materialize_stale, promote_newest

        rebuilt = materialize_stale(settings)
        promote_newest(settings)
        say(f"\n{rebuilt} assets materialized in {time.monotonic() - started:.0f} s\n")
        show(settings)
    say("\nNothing is left running. Next:")
    if settings.source != DEFAULT_SOURCE:
        say(f"  {f'export REC_SOURCE={settings.source}':<34}so that all of these are about this source")
    say(
        "  make dev                        the asset graph in Dagster's UI, and the storefront\n"
        "  .venv/bin/rec up                the servers alone; then\n"
        "  .venv/bin/rec recommend 42      anyone's list, and .venv/bin/rec --help for the rest\n"
        "  README.md                       how to bring your own data"
    )


def show(settings: "Settings") -> None:
    """Prints what the live bundle recommends to a known user, to strangers, and after some items were seen.

    Devices are part of the questions only where the source knows them, and seen items only where clicks are filtered.
    """
    from datetime import datetime, timedelta

    from rec_assets.cli.items import describe, print_items
    from rec_assets.serving.client import Client, Device

    client = Client(settings)
    rows = last_day(settings)
    user, devices_are_known = busiest_user(rows), bool((rows["device_type"] >= 0).any())
    day = datetime.combine(settings.as_of, datetime.min.time(), UTC) + timedelta(days=1)
    client.events.wait(client.forget(user), PATIENCE_S)  # what an earlier demo marked as seen

    def ask(who: str, user_id: int, device: Device, hour: int) -> list[int]:
        held = device if devices_are_known else None
        answer = client.recommend(user_id, held, day + timedelta(hours=hour), SHOWN)
        title = f"{who}, {HOLDING[held] if held else ''}at {hour:02d}:00"
        scores = [f"{score:.4f}" for _, score in answer]
        print_items(f"{title}  ({answer.milliseconds:.1f} ms)", "score", describe(settings, answer.item_ids), scores)
        return answer.item_ids.tolist()

    first = ask(f"User {user}, who is known", user, "desktop", 10)
    ask("A visitor nobody knows", -1, "mobile", 20)
    ask("A visitor nobody knows", -1, "desktop", 9)
    if settings.seen_filter != "clicked":
        return
    # The very moment of the question: run again, it is the same interaction.
    client.events.wait(client.record(user, first[:2], day + timedelta(hours=10), device_type="desktop"), PATIENCE_S)
    again = ask(f"User {user} again, having seen items {first[0]} and {first[1]}", user, "desktop", 10)
    gone = not set(first[:2]) & set(again)
    say(f"Items {first[0]} and {first[1]} are {'gone' if gone else 'STILL THERE: is the worker running?'}.")


def last_day(settings: "Settings") -> "pl.DataFrame":
    """Returns the checked interactions of the as-of day."""
    import polars as pl

    from rec_assets.storage.stores import open_store

    rows = open_store(settings).get("raw_interactions", settings.as_of.isoformat())
    return pl.read_parquet(rows / "interactions.parquet")


def busiest_user(rows: "pl.DataFrame") -> int:
    """Returns who interacted most; ties go to the smallest id."""
    counts = rows["user_id"].value_counts()
    return int(counts.sort(["count", "user_id"], descending=[True, False])["user_id"][0])


def dev() -> None:
    """Run Dagster's UI, the storefront and all servers over the same state; Ctrl-C ends all of it."""
    import subprocess

    from rec_assets.cli.local import supervision
    from rec_assets.cli.local.health_monitor import health_monitor
    from rec_assets.cli.local.storefront import Storefront
    from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
    from rec_assets.orchestration.runs.orphaned_runs import ending_abandoned_runs

    settings = load_settings()
    prepare_dagster_home(settings)
    os.environ["REC_HOME"] = str(settings.home.absolute())
    storefront = Storefront(settings)
    with (
        supervision.services(settings),
        supervision.running(storefront),
        health_monitor(settings),
        ending_abandoned_runs(),
    ):
        say(f"The storefront is at {storefront.address}")
        say("Dagster's UI comes up at http://127.0.0.1:3000 — Ctrl-C ends all of it.")
        try:
            subprocess.run([f"{sys.prefix}/bin/dagster", "dev", "-w", "workspace.yaml"], check=False)
        except KeyboardInterrupt:
            raise typer.Exit(0) from None
