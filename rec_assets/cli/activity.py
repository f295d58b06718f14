"""`rec seen`, `rec flush`, `rec trending`: what users did, and what is popular."""

import time
from typing import Annotated

import typer

from rec_assets.cli.console import load_settings, say

User = Annotated[int, typer.Argument(help="User id.")]


def seen(
    user: User,
    items: Annotated[list[int], typer.Argument(help="Item ids.")],
    bought: Annotated[bool, typer.Option("--bought", help="The user bought them, and did not only click.")] = False,
) -> None:
    """Record that a user chose items: they become the user's history.

    What REC_SEEN_FILTER names is not recommended to that user for REC_SEEN_DAYS days, a week by default.
    """
    from rec_assets.realtime.history import History, Kind

    kind: Kind = "bought" if bought else "clicked"
    History.connect(load_settings()).record(user, items, int(time.time()), kind)
    say(f"User {user} has {kind} {len(items)} more {'item' if len(items) == 1 else 'items'}.")


def flush(user: User) -> None:
    """Let what a user has seen be recommended again; it stays the user's history."""
    from rec_assets.realtime.history import History

    had_any = History.connect(load_settings()).flush(user)
    say(f"What user {user} has seen is no longer filtered." if had_any else f"Nothing was filtered for user {user}.")


def trending(
    category: Annotated[int | None, typer.Option(help="Only this level-1 category.")] = None,
    k: Annotated[int, typer.Option("-k", min=1, help="How many items.")] = 10,
) -> None:
    """Show the items with the most interactions."""
    from rec_assets.cli.items import describe, print_items
    from rec_assets.realtime.trending import Trending

    settings = load_settings()
    top = Trending.connect(settings).top(k, category_l1=category)
    where = "" if category is None else f" in category {category}"
    if not top:
        say(f"Nothing is trending{where}: item_popularity was not published to Valkey, or the category is empty.")
        return
    items = describe(settings, [item for item, _ in top])
    print_items(f"Trending{where}", "interactions", items, [f"{count:,}" for _, count in top])
