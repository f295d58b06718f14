"""Output of commands: errors without tracebacks, explained errors of settings, tables of items."""

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
    """Prints an ActionableError of any command as what it is, a message, and ends with status 1.

    So it does with whatever a full disk made of a command: Dagster's own records are on it, too.
    """

    def invoke(self, ctx: Any) -> Any:
        """Runs the command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:
            explained = error if isinstance(error, ActionableError) else _of_a_full_disk(error)
            if explained is None:
                raise
            console = Console(stderr=True, soft_wrap=True, highlight=False)
            console.print(explained.problem, style="red", markup=False)
            console.print(f"  → {explained.next_step}", markup=False)
            raise typer.Exit(1) from None


def _of_a_full_disk(error: Exception) -> ActionableError | None:
    from rec_assets.storage.artifact_store import full_disk

    home = load_settings().home
    full = full_disk(home, error) if home.is_dir() else None
    return (
        None
        if full is None
        else ActionableError(
            f"No space left on the disk of {full}.", "Free space there and run the command again: what is done is kept."
        )
    )


def load_settings() -> "Settings":
    """Returns the settings; raises ActionableError naming each `REC_` variable that cannot be read."""
    from pydantic import ValidationError

    from rec_assets.settings import get_settings

    try:
        return get_settings()
    except ValidationError as error:
        problems = "; ".join(f"REC_{str(one['loc'][0]).upper()}={one['input']}: {one['msg']}" for one in error.errors())
        raise ActionableError(problems, "Correct or unset the environment variable.") from error


def until_told_to_stop() -> threading.Event:
    """Returns what Ctrl-C and SIGTERM set; also where whoever started this has SIGINT ignored, as scripts do."""
    stop = threading.Event()
    for end in (signal.SIGTERM, signal.SIGINT):
        signal.signal(end, lambda *_: stop.set())
    return stop


def say(line: str) -> None:
    """Prints a line as it is."""
    Console(soft_wrap=True, highlight=False).print(line, markup=False)


def print_table(title: str, columns: Mapping[str, bool], rows: Iterable[Sequence[object]]) -> None:
    """Prints rows under a title; `columns` maps each heading to whether it holds numbers."""
    table = Table(title=title, title_justify="left")
    for heading, numeric in columns.items():
        table.add_column(heading, justify="right" if numeric else "left")
    for row in rows:
        table.add_row(*map(str, row))
    # Into a file or pipe, lines are as long as they need to be.
    Console(width=None if sys.stdout.isatty() else 120).print(table, markup=False)
