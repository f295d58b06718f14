"""Explains why a folder has no table of interactions, with the next step."""

from collections.abc import Sequence
from pathlib import Path

from rec_assets.common.errors import ActionableError
from rec_assets.sources.shop import values
from rec_assets.sources.shop.guess import names
from rec_assets.sources.shop.guess.table import NEEDED, Table

GUIDE = "see docs/bring-your-own-data.md"
DATED = ("timestamp", "datetime", "time", "date")
EXAMPLES = 3
SEVERAL = 0.5  # share of cells with several ids, from which a column has lists of them
ID = r"[^\s,;|]*[0-9][^\s,;|]*"
MOMENT = r"[0-9]+[-./:][0-9]+[-./:][0-9].*"  # a date with a time of day has blanks, too
IDS = rf"{ID}([\s,;|]+{ID})+"


def refusal(location: Path, tables: Sequence[Table], unread: Sequence[ActionableError], base: Path) -> ActionableError:
    """Returns the error for tables of which none has users, items and times; it describes the closest one.

    Args:
        location: the exported data.
        tables: the tables that were tried, at least one.
        unread: files of kinds that are not read.
        base: folder of the mapping file.
    """
    best = max(tables, key=lambda one: (len(NEEDED) - len(one.lacking), one.rows))
    lacking = " and ".join(f"no {role}" for role in best.lacking)
    named = "columns by their values, without a header line" if best.origin.columns else "columns"
    step = f"Rename its columns to user_id, item_id and time, or write {base / 'shop.toml'} by hand ({GUIDE})."
    if best.origin.columns:
        step = f"Write a first line with names of columns, such as user_id, item_id and time ({GUIDE})."
    unreadable = _unreadable_times(best) if "time" in best.lacking else ""
    listed = _lists_of_ids(best) if "item" in best.lacking else []
    if listed:
        unreadable += f" Several ids are in a cell of {', '.join(listed)}."
        step = (
            "Write a table with a row for each of these ids, its user and its time, such as with DuckDB's "
            f"`unnest(string_split({listed[-1]}, ' '))`, or as `query` in {base / 'shop.toml'} ({GUIDE})."
        )
    elif "item" in best.lacking and (cells := [name for name in best.sample.columns if best.sample.has_objects(name)]):
        unreadable += f" The cells of {', '.join(cells)} have objects with fields of their own."
        step = f"Write a table with a row for each of these objects, and their fields as columns ({GUIDE})."
    if best.lacking == ["time"]:
        step = f"Add a column with the date of each row; evaluations use later days than trainings ({GUIDE})."
    left_out = "".join(f" {error.problem}" for error in unread[:EXAMPLES])
    if unread:
        step = f"{unread[0].next_step} If the interactions are not there: {step[0].lower()}{step[1:]}"
    return ActionableError(
        f"{location} has no table with users, items and times. The closest is {best.label}, which has {lacking} "
        f"({named}: {', '.join(best.sample.columns)}).{unreadable}{left_out}",
        step,
    )


def _lists_of_ids(table: Table) -> list[str]:
    """Returns the columns whose cells have several ids, such as the items of a basket or of a list that was shown."""
    sample = table.sample
    texts = [name for name in sample.columns if not sample.is_number(name) and sample.time_format(name) is None]
    pattern = values.literal(IDS)
    several = {name: f"coalesce(regexp_full_match({values.identifier(name)}, {pattern}), false)" for name in texts}
    moment = values.literal(MOMENT)
    return [
        name
        for name in texts
        if sample.share(several[name]) >= SEVERAL
        and sample.share(f"coalesce(regexp_full_match({values.identifier(name)}, {moment}), false)") < SEVERAL
    ]


def _unreadable_times(table: Table) -> str:
    """Returns a sentence about a column that is named as a time and has none, "" without one."""
    column = next((name for name in table.sample.columns if names.rank_of(name, DATED) is not None), None)
    if column is None:
        return ""
    examples = ", ".join(list(table.sample.counts(column))[:EXAMPLES])
    return f" Its column {column} has no full dates (such as {examples})."
