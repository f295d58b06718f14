"""`rec seen`, `rec forget`, `rec trending`, `rec worker`: events of users, and popular items."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rec_assets.cli.console import load_settings, say, until_told_to_stop
from rec_assets.cli.lists.recommend import utc_time

if TYPE_CHECKING:
    from rec_assets.serving.client import Client

PATIENCE_S = 5.0

User = Annotated[str, typer.Argument(help="User id.")]


def seen(
    user: User,
    items: Annotated[list[str], typer.Argument(help="Item ids.")],
    bought: Annotated[bool, typer.Option("--bought", help="Record purchases instead of clicks.")] = False,
    at: Annotated[
        datetime | None, typer.Option(parser=utc_time, metavar="ISO-TIME", help="Time in UTC; default: now.")
    ] = None,
) -> None:
    """Record that a user clicked or bought items, which changes the user's history and recommendations.

    Items that REC_SEEN_FILTER covers are not recommended to the user for REC_SEEN_DAYS days, a week by default.
    """
    from rec_assets.common.errors import ActionableError
    from rec_assets.realtime.events import EventError, Kind
    from rec_assets.serving.client import Client
    from rec_assets.serving.graph.errors import RequestError
    from rec_assets.storage.valkey.own_server import require_own_valkey

    kind: Kind = "bought" if bought else "clicked"
    settings = load_settings()
    require_own_valkey(settings)
    client = Client(settings)
    try:
        sent = client.record(user, items, at, kind)
    except (EventError, RequestError) as error:
        raise ActionableError(str(error), "See rec seen --help.") from error
    say(f"User {user} has {kind} {len(items)} more {'item' if len(items) == 1 else 'items'}.")
    _wait_for_workers(client, sent)


def forget(user: User) -> None:
    """Recommend a user's seen items again, and reset the user's top category; the history stays."""
    from rec_assets.common.errors import ActionableError
    from rec_assets.realtime.events import EventError
    from rec_assets.serving.client import Client
    from rec_assets.serving.graph.errors import RequestError
    from rec_assets.storage.valkey.own_server import require_own_valkey

    settings = load_settings()
    require_own_valkey(settings)
    client = Client(settings)
    try:
        sent = client.forget(user)
    except (EventError, RequestError) as error:
        raise ActionableError(str(error), "See rec forget --help.") from error
    say(f"The seen items of user {user} are no longer filtered.")
    _wait_for_workers(client, sent)


def trending(
    category: Annotated[str | None, typer.Option(help="Only this level-1 category.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="Number of items.")] = 10,
) -> None:
    """Show the items with the most interactions."""
    from rec_assets.cli.items import describe, print_items
    from rec_assets.common.errors import ActionableError
    from rec_assets.serving.client import Client
    from rec_assets.serving.graph.errors import RequestError
    from rec_assets.storage.valkey.own_server import require_own_valkey

    settings = load_settings()
    require_own_valkey(settings)
    client = Client(settings)
    try:
        top = client.trending(k, category)
    except RequestError as error:
        raise ActionableError(str(error), "See rec trending --help.") from error
    scope = "" if category is None else f" in category {category}"
    if not top:
        say(f"Nothing is trending{scope}: item_popularity was not published to Valkey, or the category is empty.")
        return
    items = describe(settings, [item for item, _ in top], client.ids)
    print_items(f"Trending{scope}", "interactions", items, [f"{count:,}" for _, count in top])


def worker() -> None:
    """Apply events of users until Ctrl-C; any number of workers may run."""
    import gc
    import logging

    from rec_assets.common.silence import silence_deprecations
    from rec_assets.common.traces.tracing import traces
    from rec_assets.realtime.worker import TRACED_AS, Worker

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("feast").setLevel(logging.WARNING)  # Feast logs every minute that it read its registry
    silence_deprecations()
    stop = until_told_to_stop()
    settings = load_settings()
    one = Worker(settings)
    # The imported libraries never become garbage. Without them, a collection stops the events for less time.
    gc.collect()
    gc.freeze()
    say(f"Worker {one.name} applies events. Ctrl-C ends it.")
    with traces(TRACED_AS, settings.otlp_endpoint, settings.trace_share):
        one.run(stop)


def _wait_for_workers(client: "Client", sent: Sequence[str]) -> None:
    """Waits until workers applied the events; prints a message if no worker runs or the workers are late."""
    state = client.events.state()
    if not state.workers:
        events = f"{state.waiting} {'event waits' if state.waiting == 1 else 'events wait'}"
        say(f"No worker runs: {events} in the stream. Start one: rec worker, or rec up.")
    elif not client.events.wait(sent, PATIENCE_S):
        say(f"The workers are late: {state.waiting + state.taken:,} events wait in the stream.")
