"""Output of commands: lines, tables, and errors without tracebacks."""

import os
import signal
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperGroup

from rec_assets.common.errors import ActionableError

if TYPE_CHECKING:
    from rec_assets.settings import Settings


class ExplainingGroup(TyperGroup):
    """Prints the ActionableError of a command without traceback, and exits with status 1.

    Treats errors of a full disk in the same way: all state is on this disk, including Dagster's records.
    """

    def invoke(self, ctx: Any) -> Any:
        """Runs the command. Its files, and those of the servers that it starts, are for their owner only."""
        os.umask(0o077)
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            actionable = error if isinstance(error, ActionableError) else _disk_error(error)
            if actionable is None:
                raise
            console = Console(stderr=True, soft_wrap=True, highlight=False)
            console.print(actionable.problem, style="red", markup=False)
            console.print(f"  → {actionable.next_step}", markup=False)
            raise typer.Exit(1) from None


def _disk_error(error: Exception) -> ActionableError | None:
    from rec_assets.cli.local.home import unwritable
    from rec_assets.storage.full_disk import full_disk

    home = load_settings().home
    if isinstance(error, OSError) and (refused := unwritable(home, error)) is not None:
        return refused
    full = full_disk(home, error) if home.is_dir() else None
    if full is None:
        return None
    return ActionableError(
        f"No space left on the disk of {full}.", "Free space there and run the command again; finished assets are kept."
    )


def load_settings() -> "Settings":
    """Returns the settings, and prints warnings of old and unknown `REC_` variables.

    Raises:
        ActionableError: a `REC_` variable is invalid; the message names each.
    """
    import warnings

    from pydantic import ValidationError

    from rec_assets.settings import get_settings

    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            settings = get_settings()
        for warning in caught:
            typer.secho(str(warning.message), err=True, fg="yellow")
        return settings
    except ValidationError as error:
        problems = "; ".join(f"REC_{str(one['loc'][0]).upper()}={one['input']}: {one['msg']}" for one in error.errors())
        raise ActionableError(problems, "Correct or unset the environment variable.") from error


ENDING_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def until_told_to_stop() -> threading.Event:
    """Returns an event that Ctrl-C, SIGTERM and a closed terminal set, even if the starting process ignores them."""
    stop = threading.Event()
    for number in ENDING_SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    return stop


def end_on_signals() -> None:
    """Makes the first Ctrl-C, SIGTERM or closed terminal raise KeyboardInterrupt, and ignores further ones.

    So `with` blocks end the servers that they started, and nothing interrupts them.
    """

    def end(*_: Any) -> None:
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in ENDING_SIGNALS:
        signal.signal(number, end)


def say(line: str) -> None:
    """Prints a line without formatting."""
    Console(soft_wrap=True, highlight=False).print(line, markup=False)


def print_table(title: str, columns: Mapping[str, bool], rows: Iterable[Sequence[object]]) -> None:
    """Prints rows under a title; `columns` maps each heading to True if the column holds numbers."""
    table = Table(title=title, title_justify="left")
    for heading, numeric in columns.items():
        table.add_column(heading, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*map(str, row))
    # Without a terminal, rich would use 80 columns.
    Console(width=None if sys.stdout.isatty() else 120).print(table, markup=False)
