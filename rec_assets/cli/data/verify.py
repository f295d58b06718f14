"""`rec verify`: reads the whole artifact store and names what is damaged."""

from typing import TYPE_CHECKING, Annotated

import typer

from rec_assets.cli.console import load_settings, say

if TYPE_CHECKING:
    from rec_assets.storage.artifacts.damage import Damage


def verify(
    repair: Annotated[bool, typer.Option("--repair", help="Materialize the damaged assets again.")] = False,
) -> None:
    """Compare every stored file with its digest; exit with status 1 if anything is damaged."""
    from rec_assets.storage.artifacts.stores import open_store

    settings = load_settings()
    store = open_store(settings)
    if repair:
        for draft in store.delete_leftovers():
            say(f"Deleted {draft}, which a killed run left.")
    partitions = store.stored()
    damages = [damage for asset, partition in partitions for damage in store.check(asset, partition)]
    for damage in damages:
        say(damage.problem)
    if damages and repair:
        from rec_assets.orchestration.runs.repair import repair as run

        damages = run(settings, damages)
    say(f"{len(partitions):,} partitions were read. {_summary(damages)}")
    if damages:
        raise typer.Exit(1)


def _summary(damages: "list[Damage]") -> str:
    if not damages:
        return "None is damaged."
    names = sorted({f"{damage.asset} [{damage.partition}]" for damage in damages})
    return f"Damaged: {', '.join(names)}. Run `rec verify --repair`, or materialize them again."
