"""`rec forget-person` and `rec export-person`: deletes one person, and shows all that is known about one person."""

from typing import TYPE_CHECKING, Annotated

import typer

from rec_assets.cli.console import load_settings, print_table, say
from rec_assets.common.silence import silence_deprecations

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rec_assets.settings import Settings

Id = Annotated[str, typer.Argument(metavar="ID", help="User id as the shop writes it.")]


def forget_person(
    user: Id, yes: Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")] = False
) -> None:
    """Delete a person: online stores, events, logs, days, features, training sets. The number is never used again."""
    import time

    from dagster import DagsterInstance

    from rec_assets.orchestration.forgotten.person import find_person, forget
    from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home

    silence_deprecations()
    settings = load_settings()
    person = find_person(settings, user)
    if not yes:
        typer.confirm(f"Delete everything about user {user}? This cannot be undone.", abort=True)
    prepare_dagster_home(settings)
    with _valkey(settings), DagsterInstance.get() as instance:
        online, offline = forget(settings, person, int(time.time()), instance)
    print_table("Deleted", {"from": False, "number": True}, [(name, str(count)) for name, count in online.items()])
    rows = [(asset, f"{len(days)}: {', '.join(days[:3])}{' …' if days[3:] else ''}") for asset, days in offline.items()]
    print_table("Rewritten or deleted", {"asset": False, "partitions": False}, rows)
    _say_remains(settings)


def export_person(user: Id) -> None:
    """Print all that is known about a person as JSON, with its origin."""
    import json

    from rec_assets.orchestration.forgotten.person import export_offline, find_person
    from rec_assets.realtime.person import export_online

    silence_deprecations()
    settings = load_settings()
    person = find_person(settings, user)
    with _valkey(settings):
        online = export_online(settings, person.code, person.text)
    known = {"id": user, "number": person.code, "online": online, "offline": export_offline(settings, person)}
    typer.echo(json.dumps(known, indent=1, default=str, ensure_ascii=False))


def _valkey(settings: "Settings") -> "AbstractContextManager[None]":
    """Starts the local Valkey for a block, unless it runs; Valkey on another machine must run."""
    from contextlib import nullcontext

    from rec_assets.cli.local.server import LOOPBACK
    from rec_assets.cli.local.supervision import running
    from rec_assets.cli.local.valkey import Valkey
    from rec_assets.storage.valkey.own_server import require_own_valkey

    require_own_valkey(settings)
    return running(Valkey(settings)) if settings.valkey_host == LOOPBACK else nullcontext()


def _say_remains(settings: "Settings") -> None:
    from datetime import timedelta

    from rec_assets.serving.promotion.catalog import known_bundles
    from rec_assets.storage.artifacts.stores import open_store

    say(
        "While Dagster runs, `forgotten_sensor` makes the deleted sets again and starts a full training, both without "
        "this person. Otherwise `rec demo` does both."
    )
    bundles = known_bundles(open_store(settings), settings)
    if bundles:
        last = max(bundle.manifest.as_of for bundle in bundles)
        names = ", ".join(f"{bundle.bundle_id} ({bundle.manifest.as_of})" for bundle in bundles)
        say(f"Models trained before may have learned from this person's rows, in the bundles {names}.")
        if settings.keep_days:
            expires = last + timedelta(days=settings.keep_days)
            say(
                f"`rec prune` deletes the last of them with the data of {expires}, unless it is live or the one before."
            )
        else:
            say("They stay: REC_KEEP_DAYS is 0. Set it and promote newer bundles, so that `rec prune` deletes them.")
    say("The shop's own files are not changed. Every import leaves this person out.")
