"""`rec init` and `rec check`: a shop's own data, before anything is trained."""

from pathlib import Path
from typing import Annotated

import typer

from rec_assets.cli.console import load_settings, print_table, say


def init(
    data: Annotated[Path, typer.Argument(help="File or folder with the exported data.", exists=True)],
    force: Annotated[bool, typer.Option("--force", help="Overwrite an existing shop.toml.")] = False,
) -> None:
    """Write shop.toml: a first mapping of your files, guessed from their columns."""
    from rec_assets.common.errors import ActionableError
    from rec_assets.sources.shop.guess import guess_shop
    from rec_assets.sources.shop.mapping import FILE
    from rec_assets.sources.shop.writing import as_toml

    file = Path(FILE)
    if file.exists() and not force:
        raise ActionableError(f"{file} exists already.", "Edit it, or overwrite it with --force.")
    draft = guess_shop(data, Path.cwd())
    file.write_text(as_toml(draft.shop, ("Guessed by `rec init`; correct it, then run `rec check`.", *draft.notes)))
    say(f"Wrote {file}:")
    for note in draft.notes:
        say(f"  {note}")
    say("Read it, correct it, then run `rec check`.")


def check() -> None:
    """Read all data through shop.toml, train nothing, and list every problem and the figures of the shop."""
    from rec_assets.sources import Codes, shop_source
    from rec_assets.sources.shop.check import count_events, find_problems, summarize
    from rec_assets.storage.artifacts.stores import open_store

    settings = load_settings()
    codes = open_store(settings).find("id_codes")
    # With the codes: people who were deleted stay out of the cache.
    source = shop_source(settings, None if codes is None else Codes.load(codes.path))
    problems, summary = find_problems(source), summarize(source)
    if problems:
        rows = [(one.where, f"{one.rows:,}", ", ".join(one.examples), one.outcome) for one in problems]
        print_table("Problems", {"where": False, "rows": True, "examples": False, "what happens": False}, rows)
    else:
        say("Every row is readable.")
    if events := count_events(source):
        shown = [(kind, f"{rows:,}", outcome) for kind, rows, outcome in events]
        print_table("Events", {"event": False, "rows": True, "what happens": False}, shown)
    print_table("The shop", {"": False, "figure": False}, list(summary.figures.items()))
    for name, cost in summary.absent.items():
        say(f"  No {name}: {cost}.")
    say("Run `rec demo` to train and to serve it.")
