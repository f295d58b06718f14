"""Joins the tables of items that refer to each other: by the item, or by the number of a category."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rec_assets.sources.shop import values
from rec_assets.sources.shop.guess import names
from rec_assets.sources.shop.guess.table import Table
from rec_assets.sources.shop.mapping import Rows
from rec_assets.sources.shop.tables import connect, open_table, reader

PARENT = "parent"


def with_references(catalog: Table, others: Sequence[Table]) -> Table:
    """Returns the items with columns of tables that have the same key: the item, or a column of categories.

    A table with the item's key gives its titles, prices and categories. A table with the key of a category gives the
    name of the category, or, without one, the number of the category above it. A key has one row for each value.

    Args:
        catalog: the items; `roles` has their key.
        others: tables that may belong to them.
    """
    item = catalog.roles["item"]
    columns: list[str] = []
    joins: list[str] = []
    labels: list[str] = []
    notes = [*catalog.notes]
    taken = set(catalog.sample.columns)
    for key in (item, *(name for name in catalog.sample.columns if name != item and names.is_category(name))):
        for one in others:
            own = one.sample.column_named(key)
            if not (own and _has_a_row_each(one, own)):
                continue
            added = _said_of_items(one, own, taken) if key == item else _said_of_categories(one, own, key, taken)
            if not added:
                continue
            alias = f"t{len(joins) + 1}"
            columns += [f"{alias}.{values.quoted(name)} AS {values.quoted(new)}" for name, new in added.items()]
            joins.append(
                f"LEFT JOIN {_source_of(one)} AS {alias} "
                f"ON CAST(items.{values.quoted(key)} AS VARCHAR) = CAST({alias}.{values.quoted(own)} AS VARCHAR)"
            )
            labels.append(one.label)
            notes += one.notes
            taken |= set(added.values())
    if not joins:
        return catalog
    query = " ".join([f"SELECT items.*, {', '.join(columns)} FROM {_source_of(catalog)} AS items", *joins])
    made = Table.read(" with ".join([catalog.label, *labels]), Rows(query=query), catalog.root)
    if not all(made.sample.filled(name) for name in made.sample.columns if name not in catalog.sample.columns):
        return catalog  # the same name of a key, and other keys
    return replace(made, roles=made.roles | catalog.roles, notes=tuple(notes))


def _source_of(table: Table) -> str:
    """Returns the SQL of a table."""
    return f"({table.origin.query})" if table.origin.query else reader(table.origin, table.root)


def _has_a_row_each(table: Table, key: str) -> bool:
    connection = connect(base=table.root, threads=1)
    counted = f"count(DISTINCT {values.identifier(key)})"
    distinct = open_table(connection, table.origin, table.root).aggregate(counted).fetchall()[0][0]
    return bool(1 < distinct == table.rows)


def _said_of_items(table: Table, key: str, taken: Iterable[str]) -> dict[str, str]:
    """Returns new columns by columns of a table of items."""
    sample = table.sample
    new = [name for name in sample.columns if name != key and name not in taken and sample.filled(name) > 0]
    return {name: name for name in new if names.is_of_items(name)}


def _said_of_categories(table: Table, key: str, category: str, taken: Iterable[str]) -> dict[str, str]:
    """Returns one new column by the column of names of a table of categories, or of the categories above them."""
    others = [name for name in table.sample.columns if name != key]
    texts = [name for name in others if not table.sample.is_number(name) and table.sample.filled(name) > 0]
    above = [name for name in others if PARENT in names.plain(name)]
    if texts:
        new = texts[0] if names.is_category(texts[0]) else f"name of {category}"
    elif above:
        new = f"{above[0]} of {category}"
    else:
        return {}
    return {} if new in taken else {(texts or above)[0]: new}
