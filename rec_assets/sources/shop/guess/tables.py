"""Finds the tables of a shop: interactions, items and users. Joins the lines of orders with their orders."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rec_assets.common.errors import ActionableError
from rec_assets.sources.shop import values
from rec_assets.sources.shop.guess import names
from rec_assets.sources.shop.guess.catalog import with_references
from rec_assets.sources.shop.guess.conditions import of_cancelled
from rec_assets.sources.shop.guess.derived import (
    with_a_row_each,
    with_dates,
    with_fields_of_texts,
    with_one_image,
    with_one_language,
    with_orders_above,
    with_repeated_titles,
)
from rec_assets.sources.shop.guess.groups import file_groups
from rec_assets.sources.shop.guess.refusal import refusal
from rec_assets.sources.shop.guess.sample import LINKED
from rec_assets.sources.shop.guess.table import SAMPLE_ROWS, Table, read_files
from rec_assets.sources.shop.mapping import Rows
from rec_assets.sources.shop.tables import connect, lists_of_objects, open_table, reader
from rec_assets.sources.shop.unread import unread

SAYING = {
    "item": {"title", "description", "price", "available", "gender", "image"},
    "user": {"age", "birth_year", "gender"},
}


@dataclass(frozen=True)
class Tables:
    """The chosen tables; those of items and users may be absent. `unused` have interactions too.

    `unreadable` are the problems of files that were left out, also of kinds that are not read.
    """

    main: Table
    items: Table | None
    users: Table | None
    unused: tuple[Table, ...]
    unreadable: tuple[ActionableError, ...]


def find_tables(location: Path, base: Path) -> Tables:
    """Finds the tables in a file or a folder.

    Raises:
        ActionableError: there are no data files, or no table has users, items and times.
    """
    root = location if location.is_dir() else location.parent
    others = unread(location.rglob("*")) if location.is_dir() else []
    tables: list[Table] = []
    unreadable: list[ActionableError] = []
    for files in file_groups(location):
        try:
            for table in read_files(files, root):
                for derive in (with_fields_of_texts, with_one_language, with_a_row_each, with_one_image):
                    table = derive(table)
                tables.append(table)
        except ActionableError as error:  # perhaps no table of the shop
            unreadable.append(error)
    rows = [one for one in map(with_orders_above, map(_unfolded, tables)) if not one.lacking]
    if not any(map(_repeats, rows)):
        tried = [with_dates(one) for one in (*tables, *_joined(tables))]
        known = {one.label for one in rows}
        rows += [one for one in tried if not one.lacking and one.label not in known]
        if not rows and unreadable and all(len(one.lacking) > 1 for one in tried):
            raise unreadable[0]
        if not rows:
            raise refusal(location, tried, others, base)
    rows = list(filter(_repeats, rows)) or rows
    main = max(rows, key=lambda one: one.rows)
    parts = main.label.split(" with ")
    rest = [one for one in tables if one.label not in parts]
    main = _with_known_items(main, rest)
    unused = tuple(one for one in rows if one.label != main.label)
    free = [one for one in rest if one.label not in {table.label for table in unused}]
    catalogs = [linked for one in free if (linked := _linked(one, main, "item"))]
    catalog = max(catalogs, key=lambda one: (_has_most_items(one, main), len(one.roles)), default=None)
    people = [
        linked
        for one in free
        if catalog is None or one.label != catalog.label
        if (linked := _linked(one, main, "user"))
    ]
    users = max(people, key=lambda one: len(one.roles), default=None)
    if catalog is not None:
        catalog = with_references(
            with_repeated_titles(catalog), [one for one in free if users is None or one.label != users.label]
        )
    return Tables(main, catalog, users, unused, (*unreadable, *others))


def _repeats(table: Table) -> bool:
    """Returns True if users and items have several rows; a table of orders or of users has a row for each of them."""
    return not (table.lacking or table.sample.is_key(table.roles["user"]) or table.sample.is_key(table.roles["item"]))


def _unfolded(table: Table) -> Table:
    """Returns the table with a row for each element of a list of objects, if its items are in there."""
    lists = lists_of_objects(table.origin, table.root)
    if table.roles.get("item", "") not in ("", *lists):
        return table
    for column in sorted(lists, key=lambda one: not names.ranked("item", [one])):
        name = values.quoted(column)
        query = f"SELECT * REPLACE (unnest({name}) AS {name}) FROM ({table.origin.query})"
        origin = Rows(query=query) if table.origin.query else Rows(files=table.origin.files, unfold=column)
        unfolded = Table.read(table.label, origin, table.root)
        if not unfolded.lacking and unfolded.roles["item"].startswith(f"{column}."):
            return unfolded
    return table


def _joined(tables: Sequence[Table]) -> Iterator[Table]:
    """Yields the tables of order lines with the columns that only the table of their orders has."""
    for lines in tables:
        for heads in tables:
            gives = [role for role in lines.lacking if role in heads.roles]
            if "item" in lines.roles and lines is not heads and gives and (keys := _keys(lines, heads)):
                table = _join(lines, heads, keys, gives)
                # An order may name its own customer record: another table then knows who that is.
                if "user" in table.roles and heads.sample.is_key(heads.roles.get("user", heads.sample.columns[0])):
                    table = next(_people_of(table, heads, tables), table)
                yield table


def _people_of(table: Table, heads: Table, tables: Sequence[Table]) -> Iterator[Table]:
    own = table.roles["user"]
    for people in tables:
        key = people.sample.column_named(own)
        if people is not heads and key and people.sample.is_key(key):
            wider = [name for name in people.sample.candidates("user") if name != key]
            if wider:
                column = wider[0]
                yield _join(table, replace(people, roles={"user": column}), (own, key), ["user"])


def _keys(lines: Table, heads: Table) -> tuple[str, str] | None:
    """Returns the columns of both tables that hold the order of a line, None without any."""
    stem = re.sub(r"s$", "", names.plain(Path(heads.label).stem))
    own_id = heads.sample.column_named("id") or heads.sample.column_named("entity_id")
    for column in lines.sample.columns:
        name = names.plain(column)
        if column in (lines.roles["item"], lines.roles.get("user")) or name == "id":
            continue
        own = name.endswith("id") and stem.endswith(name.removesuffix("id"))
        key = heads.sample.column_named(column) if names.CODED.search(name) else None
        key = key if key and heads.sample.is_key(key) else own_id if own else None
        if key and heads.sample.is_key(key) and _matched(lines, heads, column, key) >= LINKED:
            return column, key
    return None


def _matched(lines: Table, heads: Table, column: str, key: str) -> float:
    """Returns the share of sampled lines whose order is in the table of orders."""
    connection = connect(base=lines.root, threads=1)
    connection.register("lines", open_table(connection, lines.origin, lines.root).limit(SAMPLE_ROWS))
    connection.register("heads", open_table(connection, heads.origin, heads.root))
    found = f'CAST("{column}" AS VARCHAR) IN (SELECT CAST("{key}" AS VARCHAR) FROM heads)'
    return float(connection.sql(f"SELECT avg(CAST({found} AS INT)) FROM lines").fetchall()[0][0] or 0)


def _join(lines: Table, heads: Table, keys: tuple[str, str], gives: Iterable[str]) -> Table:
    added = {role: heads.roles[role] for role in gives}
    taken = [role for role in (*added, "device") if role in heads.roles]
    taken += ["time_of_day"] if "time" in added and "time_of_day" in heads.roles else []
    named = {role: _free_name(heads.roles[role], lines.sample.columns) for role in taken}
    states = [name for name in heads.sample.columns if of_cancelled(heads.sample, name)]
    renamed = {heads.roles[role]: named[role] for role in taken}
    renamed |= {name: _free_name(name, lines.sample.columns) for name in states}
    columns = ", ".join(f'heads."{name}" AS "{new}"' for name, new in renamed.items())
    left = f"({lines.origin.query})" if lines.origin.query else reader(lines.origin, lines.root)
    query = (
        f"SELECT lines.*, {columns} FROM {left} AS lines JOIN {reader(heads.origin, heads.root)} AS heads "
        f'ON CAST(lines."{keys[0]}" AS VARCHAR) = CAST(heads."{keys[1]}" AS VARCHAR)'
    )
    table = Table.read(f"{lines.label} with {heads.label}", Rows(query=query), lines.root)
    return replace(table, roles=lines.roles | named)


def _free_name(column: str, taken: Iterable[str]) -> str:
    return f"{column} of the order" if column in taken else column


def _with_known_items(main: Table, others: Sequence[Table]) -> Table:
    """Returns the interactions with the item column that another table has too, as its key."""
    candidates = [name for name in main.sample.candidates("item") if name not in main.roles.values()]
    for column in (main.roles["item"], *candidates):
        for one in others:
            key = one.sample.column_named(column)
            if key and one.sample.is_unique(key):
                return replace(main, roles=main.roles | {"item": column})
    return main


def _has_most_items(table: Table, main: Table) -> bool:
    """Returns True if the table has most items of the interactions; the numbers of categories may be ids of a few."""
    items = main.sample.values_of(main.roles["item"])
    return len(items & table.sample.values_of(table.roles["item"])) >= LINKED * len(items)


def _linked(table: Table, main: Table, role: str) -> Table | None:
    """Returns a table of items or of users with the column that holds the ids of the interactions, None for others.

    A column of the same name has them. Without one, a column has them whose values are ids of the interactions and
    seldom repeat. Small numbers may be ids, ages or prices, so a table whose file is named after users has no items.
    """
    other = {"item": "user", "user": "item"}[role]
    column = table.sample.column_named(main.roles[role])
    if column is not None and not table.sample.is_unique(column) and table.sample.rows > 1:
        return None
    if column is None and (names.is_of(Path(table.label).name, other) or table.sample.column_named(main.roles[other])):
        return None
    by_values = None if column else table.sample.column_with(main.sample.values_of(main.roles[role]))
    column = column or by_values
    kept = {name: held for name, held in table.roles.items() if held != column and name not in ("item", "user")}
    # Equal values alone may be chance; the table must also say something of its items or users, or name them alike.
    alike = by_values and names.plain(main.roles[role]).endswith(names.plain(by_values)) and len(by_values) > len("id")
    if column is None or (by_values and not alike and not kept.keys() & SAYING[role]):
        return None
    return replace(table, roles=kept | {role: column})
