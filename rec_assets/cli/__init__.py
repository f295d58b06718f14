"""The command line `rec …`: registers the commands. Each group of commands has its own module.

A command imports its dependencies when it runs, so that help is fast.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import typer

from rec_assets.cli import (
    activity,
    api,
    backfill,
    bundles,
    demo,
    explain,
    load,
    person,
    prune,
    recommend,
    related,
    rules,
    servers,
    shop,
    storefront,
    verify,
    watch,
)
from rec_assets.cli.console import ExplainingGroup

app = typer.Typer(
    cls=ExplainingGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run the recommender on this machine: its servers, recommendations, user events and bundles. "
    "Settings come from REC_… environment variables.",
    epilog="Start with: rec up, then rec recommend 42",
)
app.command(epilog="Example: REC_VALKEY_PORT=7390 rec up")(servers.up)
app.command()(servers.down)
app.command(epilog="Example: rec status && echo all is well")(servers.status)
app.command()(watch.watch)
app.command(epilog="Example: rec recommend 42 --device mobile --at 2025-03-14T18:30 -k 10")(recommend.recommend)
app.command(epilog="Example: rec explain 0197f2c4a1b37c3e9d52b6a8f0e1c2d3")(explain.explain)
app.command(epilog="Example: rec similar 1201 -k 5")(related.similar)
app.command(epilog="Example: rec together 1201 733")(related.together)
app.command(epilog="Example: rec buy-again 42 -k 5")(related.buy_again)
app.command(epilog="Example: rec seen 42 1201 733 --bought")(activity.seen)
app.command(epilog="Example: rec forget 42")(activity.forget)
app.command(epilog="Example: REC_VALKEY_PORT=7390 rec worker")(activity.worker)
app.command(epilog="Example: rec trending --category 3 -k 5")(activity.trending)
app.command(epilog="Example: REC_STOREFRONT_PORT=9000 rec storefront")(storefront.storefront)
app.command(epilog="Example: REC_API_KEYS=$KEY rec api")(api.api)
app.command(epilog="Example: rec load http://localhost:8090 --callers 16")(load.load)
app.command(epilog="Example: rec bundles -k 5")(bundles.bundles)
app.command(epilog="Example: rec promote 4f2a")(bundles.promote)
app.command(epilog="Example: rec rollback")(bundles.rollback)
app.command(epilog="Example: rec backfill 2025-03-16")(backfill.backfill)
app.command(epilog="Example: rec forget-person 42")(person.forget_person)
app.command(epilog="Example: rec export-person 42 > person.json")(person.export_person)
app.command(epilog="Example: REC_KEEP_DAYS=60 rec prune --dry-run")(prune.prune)
app.command(epilog="Example: rec verify --repair")(verify.verify)
app.add_typer(rules.rules, name="rules")
app.command(epilog="Example: rec init exports/")(shop.init)
app.command()(shop.check)
app.command()(demo.demo)
app.command()(demo.dev)


def _keep_old_name(old: str, command: Callable[..., None]) -> None:
    """Adds a hidden command under its name of release 0.1, with a warning; the next release drops it."""

    @wraps(command)
    def renamed(*arguments: Any, **options: Any) -> None:
        typer.secho(f"`rec {old}` is now `rec {command.__name__}`. The next release drops the old name.", err=True)
        command(*arguments, **options)

    app.command(old, hidden=True)(renamed)


_keep_old_name("flush", activity.forget)
_keep_old_name("tidy", prune.prune)
