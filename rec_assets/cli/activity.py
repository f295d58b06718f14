"""`rec seen`, `rec forget`, `rec trending`, `rec worker`: what users did, and what is popular."""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from rec_assets.cli.console import load_settings, say, until_told_to_stop
from rec_assets.cli.recommend import utc_time

if TYPE_CHECKING:
    from rec_assets.serving.client import Client

PATIENCE_S = 5.0

User = Annotated[int, typer.Argument(help="User id.")]


def seen(
    user: User,
    items: Annotated[list[int], typer.Argument(help="Item ids.")],
    bought: Annotated[bool, typer.Option("--bought", help="The user bought them, and did not only click.")] = False,
    at: Annotated[
        datetime | None, typer.Option(parser=utc_time, metavar="ISO-TIME", help="When, UTC; now if left out.")
    ] = None,
) -> None:
    """Report that a user chose items: they become the user's history, and shift what is recommended.

    What REC_SEEN_FILTER names is not recommended to that user for REC_SEEN_DAYS days, a week by default.
    """
    from rec_assets.common.errors import ActionableError
    from rec_assets.realtime.events import EventError, Kind
    from rec_assets.serving.client import Client

    kind: Kind = "bought" if bought else "clicked"
    client = Client(load_settings())
    try:
        sent = client.record(user, items, at, kind)
    except EventError as error:
        raise ActionableError(str(error), "See rec seen --help.") from error
    say(f"User {user} has {kind} {len(items)} more {'item' if len(items) == 1 else 'items'}.")
    _tell_of_workers(client, sent)


def forget(user: User) -> None:
    """Let what a user has seen be recommended again, and forget today's taste; it stays the user's history."""
    from rec_assets.common.errors import ActionableError
    from rec_assets.realtime.events import EventError
    from rec_assets.serving.client import Client

    client = Client(load_settings())
    try:
        sent = client.forget(user)
    except EventError as error:
        raise ActionableError(str(error), "See rec forget --help.") from error
    say(f"What user {user} has seen is no longer filtered.")
    _tell_of_workers(client, sent)


def trending(
    category: Annotated[int | None, typer.Option(help="Only this level-1 category.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many items.")] = 10,
) -> None:
    """Show the items with the most interactions."""
    from rec_assets.cli.items import describe, print_items
    from rec_assets.serving.client import Client

    settings = load_settings()
    top = Client(settings).trending(k, category)
    where = "" if category is None else f" in category {category}"
    if not top:
        say(f"Nothing is trending{where}: item_popularity was not published to Valkey, or the category is empty.")
        return
    items = describe(settings, [item for item, _ in top])
    print_items(f"Trending{where}", "interactions", items, [f"{count:,}" for _, count in top])


def worker() -> None:
    """Apply what users do, as it is reported, until Ctrl-C; any number of workers may run."""
    import logging

    from rec_assets.common.silence import silence_deprecations
    from rec_assets.realtime.worker import Worker

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("feast").setLevel(logging.WARNING)  # it tells every minute that it looked at its registry
    silence_deprecations()
    stop = until_told_to_stop()
    one = Worker(load_settings())
    say(f"Worker {one.name} applies what users do; Ctrl-C ends it.")
    one.run(stop)


def _tell_of_workers(client: "Client", sent: Sequence[str]) -> None:
    """Waits for a worker to be done; where none runs, says that nothing is lost."""
    state = client.events.state()
    if not state.workers:
        many = f"{state.waiting} {'event waits' if state.waiting == 1 else 'events wait'}"
        say(f"No worker runs: {many} in the stream until one does (rec worker, or rec up).")
    elif not client.events.wait(sent, PATIENCE_S):
        say(f"The workers are behind: {state.waiting + state.taken:,} events are before it.")
