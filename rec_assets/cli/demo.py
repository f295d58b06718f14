"""`rec demo` and `rec dev`: start the whole system, for a demonstration or for development."""

import os
import time
from datetime import UTC
from typing import TYPE_CHECKING

import typer

from rec_assets.cli.console import end_on_signals, load_settings, say

if TYPE_CHECKING:
    import polars as pl

    from rec_assets.settings import Settings

SHOWN = 8
PATIENCE_S = 10.0  # maximum wait for a worker to apply events
KEPT = "The servers keep running, because `rec up` was called meanwhile."
ON_DEVICE = {"mobile": "on a phone ", "desktop": "on a desktop ", "tablet": "on a tablet "}


def demo() -> None:
    """Build the graph, serve its models, print recommendations, and stop all servers."""
    from rec_assets.cli.local import supervision
    from rec_assets.cli.local.home import require_usable
    from rec_assets.cli.local.supervisor import supervising
    from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home

    settings = load_settings()
    end_on_signals()
    require_usable(settings.home)
    prepare_dagster_home(settings)
    started = time.monotonic()
    say("Starting Valkey, Triton and the worker")
    with supervision.services(settings), supervising(settings):
        from rec_assets.bundles.live_record import find_live
        from rec_assets.orchestration.runs.run_local import materialize_stale, promote_newest
        from rec_assets.storage.artifacts.stores import open_store

        if (live := find_live(open_store(settings))) is not None and live.as_of > settings.as_of:
            say(
                f"These settings train for {settings.as_of}, but the live bundle is of {live.as_of}. "
                "The new bundle will not go live by itself."
            )
        rebuilt = materialize_stale(settings)
        promote_newest(settings)
        say(f"\n{rebuilt} assets materialized in {time.monotonic() - started:.0f} s\n")
        show(settings)
    say(f"\n{KEPT if supervision.kept(settings) else 'All servers are stopped.'} Next:")
    for line in exports():
        say(f"  {line}")
    say(
        "  make dev                        the asset graph in Dagster's UI, the storefront and the HTTP API\n"
        "  .venv/bin/rec up                the servers alone; then\n"
        "  .venv/bin/rec recommend 42      the list of any user; .venv/bin/rec --help lists all commands\n"
        "  README.md                       how to bring your own data"
    )


def exports() -> list[str]:
    """Returns the shell commands that set the `REC_` variables of this process again. Leaves out secrets."""
    from shlex import quote

    from rec_assets.settings import Settings

    secrets = {f"REC_{name.upper()}" for name, field in Settings.model_fields.items() if field.exclude}
    given = sorted((name, value) for name, value in os.environ.items() if name.startswith("REC_"))
    return [f"export {name}={quote(value)}" for name, value in given if name not in secrets]


def show(settings: "Settings") -> None:
    """Prints lists of the live bundle for a known user, for anonymous users, and for the known user after clicks.

    Uses devices only if the source has them, and clicks only if clicked items are filtered.
    """
    from datetime import datetime, timedelta

    from rec_assets.cli.items import describe, print_items
    from rec_assets.serving.client import Client
    from rec_assets.serving.ids import ITEM, USER
    from rec_assets.serving.translation import Device
    from rec_assets.storefront.catalog import busiest_users

    client = Client(settings)
    rows = last_day(settings)
    (user,), devices_are_known = busiest_users(rows, 1), bool((rows["device_type"] >= 0).any())
    day = datetime.combine(settings.as_of, datetime.min.time(), UTC) + timedelta(days=1)
    client.events.wait(client.forget(user), PATIENCE_S)  # forgets clicks of an earlier demo

    def print_list(who: str, user_id: int, device: Device, hour: int) -> list[int]:
        known_device = device if devices_are_known else None
        answer = client.recommend(user_id, known_device, day + timedelta(hours=hour), SHOWN)
        title = f"{who}, {ON_DEVICE[known_device] if known_device else ''}at {hour:02d}:00"
        scores = [f"{score:.4f}" for _, score in answer]
        print_items(
            f"{title}  ({answer.milliseconds:.1f} ms)",
            "score",
            describe(settings, answer.item_ids.tolist(), client.ids),
            scores,
        )
        return answer.item_ids.tolist()

    first = print_list(f"Known user {client.ids.text(USER, user)}", user, "desktop", 10)
    print_list("Anonymous user", -1, "mobile", 20)
    print_list("Anonymous user", -1, "desktop", 9)
    if settings.seen_filter != "clicked":
        return
    # At the time of the request, so that another demo records the same interactions.
    client.events.wait(client.record(user, first[:2], day + timedelta(hours=10), device_type="desktop"), PATIENCE_S)
    clicked = " and ".join(str(client.ids.text(ITEM, item)) for item in first[:2])
    again = print_list(f"User {client.ids.text(USER, user)} after clicks on items {clicked}", user, "desktop", 10)
    filtered = not set(first[:2]) & set(again)
    result = "no longer in the list" if filtered else "STILL IN THE LIST. Check that the worker is running"
    say(f"Items {clicked} are {result}.")


def last_day(settings: "Settings") -> "pl.DataFrame":
    """Returns the validated interactions of the as-of day."""
    import polars as pl

    from rec_assets.sources.base import RAW_INTERACTIONS
    from rec_assets.storage.artifacts.stores import open_store

    rows = open_store(settings).get("raw_interactions", settings.as_of.isoformat())
    return pl.read_parquet(rows / RAW_INTERACTIONS)


def dev() -> None:
    """Run Dagster's UI, the storefront, the HTTP API and all servers with the same state; Ctrl-C ends all of them."""
    import logging
    from contextlib import ExitStack
    from threading import Event

    from rec_assets.cli.local import supervision
    from rec_assets.cli.local.dagster import Daemon, Webserver
    from rec_assets.cli.local.home import require_usable
    from rec_assets.cli.local.supervisor import supervising
    from rec_assets.cli.local.web import Api, Storefront
    from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
    from rec_assets.orchestration.runs.orphaned_runs import failing_orphaned_runs

    settings = load_settings()
    end_on_signals()
    logging.basicConfig(format="%(asctime)s %(message)s")
    require_usable(settings.home)
    prepare_dagster_home(settings)
    api, storefront, webserver = Api(settings), Storefront(settings), Webserver(settings)
    more = [api, storefront, webserver, Daemon(settings)]
    try:
        with ExitStack() as running:
            say("Starting Valkey, Triton, the worker, the API, the storefront and Dagster")
            running.enter_context(supervision.services(settings))
            for server in more:
                running.enter_context(supervision.running(server))
            running.enter_context(supervising(settings, more))
            running.enter_context(failing_orphaned_runs(settings.home))
            say(f"The storefront is at {storefront.address}")
            say(f"The HTTP API is at {api.address}; docs/api.md shows its requests")
            say(f"Dagster's UI is at {webserver.address}; its log is {webserver.process.log_file}")
            say("Ctrl-C ends everything.")
            Event().wait()
    except KeyboardInterrupt:
        say("All servers are stopped." if not supervision.kept(settings) else KEPT)
        raise typer.Exit(0) from None
