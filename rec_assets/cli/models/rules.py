"""`rec rules …`: checks, publishes, shows and tries the rules of the shop."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rec_assets.cli.console import ExplainingGroup, load_settings, print_table, say
from rec_assets.cli.items import describe, print_items
from rec_assets.cli.lists.recommend import utc_time

if TYPE_CHECKING:
    from rec_assets.serving.rule_versions import RuleVersion

SHOWN = 10  # items that come or go

rules = typer.Typer(cls=ExplainingGroup, no_args_is_help=True, help="Blocks, boosts, pins and caps of the shop.")

File = Annotated[Path, typer.Argument(help="File with rules, such as rules.toml.", exists=True, dir_okay=False)]


@rules.command(epilog="Example: rec rules check rules.toml")
def check(file: File) -> None:
    """Validate a file of rules against the shop; changes nothing."""
    from rec_assets.serving.rule_versions import ShopRules

    found = ShopRules(load_settings()).check(_text(file), str(file))
    count = sum(1 for _ in found.all())
    say(f"{file} is valid: {count} {'rule' if count == 1 else 'rules'}.")


@rules.command("set", epilog="Example: rec rules set rules.toml")
def set_rules(file: File) -> None:
    """Publish a file of rules; all lists follow within seconds."""
    from rec_assets.serving.rule_versions import ShopRules
    from rec_assets.storage.valkey.own_server import require_own_valkey

    settings = load_settings()
    require_own_valkey(settings)
    shop = ShopRules(settings)
    text = _text(file)
    shop.check(text, str(file))
    _say_published(shop.publish(text, getpass.getuser()))


@rules.command()
def clear() -> None:
    """Publish a version without rules."""
    from rec_assets.serving.rule_versions import ShopRules
    from rec_assets.storage.valkey.own_server import require_own_valkey

    settings = load_settings()
    require_own_valkey(settings)
    _say_published(ShopRules(settings).publish("", getpass.getuser()))


@rules.command()
def undo() -> None:
    """Publish the version before the current one again; repeat it to go back further."""
    from rec_assets.serving.rule_versions import ShopRules
    from rec_assets.storage.valkey.own_server import require_own_valkey

    settings = load_settings()
    require_own_valkey(settings)
    _say_published(ShopRules(settings).undo(getpass.getuser()))


@rules.command("apply")
def apply_rules() -> None:
    """Send the current version to Valkey again, after Valkey lost its data."""
    from rec_assets.serving.rule_versions import ShopRules
    from rec_assets.storage.valkey.own_server import require_own_valkey

    settings = load_settings()
    require_own_valkey(settings)
    say(f"Valkey has {ShopRules(settings).apply().title}.")


@rules.command()
def show(
    history: Annotated[bool, typer.Option("--history", help="List all versions in place of the rules.")] = False,
) -> None:
    """Print the current rules as they were written."""
    from rec_assets.serving.rule_versions import ShopRules

    versions = ShopRules(load_settings()).versions()
    if history:
        rows = [
            (str(one.number), f"{one.at:%Y-%m-%d %H:%M}", one.by, str(len(one.text.splitlines())))
            for one in reversed(versions.versions)
        ]
        print_table("Rules", {"version": True, "published (UTC)": False, "by": False, "lines": True}, rows)
        return
    say(f"# {versions.current.title}")
    if versions.current.text:
        say(versions.current.text.rstrip())


@rules.command("try", epilog="Example: rec rules try rules.toml --at 2025-12-01")
def try_file(
    file: File,
    at: Annotated[
        datetime | None, typer.Option(parser=utc_time, metavar="ISO-TIME", help="Time of the rules; default: now.")
    ] = None,
    users: Annotated[int, typer.Option(min=1, help="Most lists.")] = 500,
) -> None:
    """Compare the lists of the last week with and without a file of rules; changes nothing."""
    from rec_assets.common.errors import ActionableError
    from rec_assets.evaluation.bundles.try_rules import try_rules
    from rec_assets.serving.ids import Ids
    from rec_assets.serving.rule_versions import ShopRules
    from rec_assets.serving.triton.local_bundle import live_bundle
    from rec_assets.storage.artifacts.stores import open_store

    settings = load_settings()
    ids = Ids(settings)
    found, bundle = ShopRules(settings, ids).check(_text(file), str(file)), live_bundle(settings)
    if bundle is None:
        raise ActionableError("No bundle is live on this machine.", "Promote one with `rec promote`.")
    trial = try_rules(bundle, open_store(settings), settings, found, at or datetime.now(UTC), users)
    say(f"{trial.lists:,} {trial.of} of the last week, lists of 10 items, bundle {bundle.bundle_id}:")
    say(f"  lists that change: {trial.changed:,} ({trial.changed / trial.lists:.1%})")
    say(f"  lists with another first item: {trial.first_changed:,} ({trial.first_changed / trial.lists:.1%})")
    before, after = trial.probability_without, trial.probability_with
    say(f"  sum of the probabilities of a list: {before:.3f} without, {after:.3f} with the rules ({-trial.cost:+.1%})")
    for title, items in (("Items that come", trial.came), ("Items that go", trial.went)):
        if top := items[:SHOWN]:
            facts = describe(settings, [item for item, _ in top], ids)
            print_items(title, "lists", facts, [f"{count:,}" for _, count in top])


def _text(file: Path) -> str:
    from rec_assets.common.errors import ActionableError

    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ActionableError(f"{file} cannot be read: {error}.", "Write it as a text file in UTF-8.") from error


def _say_published(version: "RuleVersion") -> None:
    say(f"Published {version.title}. All lists follow within seconds.")
