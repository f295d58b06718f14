"""Tables that a query makes from others: properties of items in a row each, and days as numbers."""

from dataclasses import replace
from datetime import date

from rec_assets.sources.shop import values
from rec_assets.sources.shop.guess import names
from rec_assets.sources.shop.guess.table import Table
from rec_assets.sources.shop.mapping import Rows
from rec_assets.sources.shop.tables import connect, open_table, reader

PROPERTIES = ("property", "propertyname", "attribute", "attributename", "feature", "key")
MOST_PROPERTIES = 20  # columns of the made table
DAY_NUMBERS = ("day", "dayno", "dayid", "daynum", "daynumber")
DAY_ZERO = date(2000, 1, 1)
LAST_OF_A_MONTH = 31  # smaller numbers may be days of a month or of a week


def with_a_row_each(table: Table) -> Table:
    """Returns a table with a row for each item, if the table has a row for each property of an item.

    Of the properties, those whose names say what they are become columns. Of several values the latest counts.
    """
    sample, item = table.sample, table.roles.get("item")
    kinds = [name for name in sample.columns if names.plain(name) in PROPERTIES]
    held = sample.column_named("value")
    if not (item and kinds and held and table.origin.files):
        return table
    connection = connect(base=table.root, threads=1)
    kind = values.words(kinds[0])
    found = (
        open_table(connection, table.origin, table.root)
        .aggregate(f"{kind} AS kind, count(*) AS n")
        .order("n DESC, kind")
    )
    known = [name for name, _ in found.fetchall() if name and names.is_of_items(name)][:MOST_PROPERTIES]
    time = table.roles.get("time")
    latest = f"max_by({values.quoted(held)}, {values.seconds(time)})" if time else f"mode({values.quoted(held)})"
    columns = [f"{latest} FILTER (WHERE {kind} = {values.literal(name)}) AS {values.quoted(name)}" for name in known]
    query = f"SELECT {', '.join([values.quoted(item), *columns])} FROM {reader(table.origin, table.root)} GROUP BY 1"
    return Table.read(table.label, Rows(query=query), table.root) if known else table


def with_dates(table: Table) -> Table:
    """Returns a table with a column of dates, if it has days as numbers and nothing else that is a time."""
    sample = table.sample
    days = [name for name in sample.columns if names.plain(name) in DAY_NUMBERS and sample.is_number(name)]
    if table.lacking != ["time"] or not days or sample.number(f"max({values.whole(days[0])})") <= LAST_OF_A_MONTH:
        return table
    origin = f"({table.origin.query})" if table.origin.query else reader(table.origin, table.root)
    name = f"date of {days[0]}"
    query = f"SELECT *, DATE '{DAY_ZERO}' + {values.whole(days[0])} AS {values.quoted(name)} FROM {origin}"
    made = Table.read(table.label, Rows(query=query), table.root)
    note = f"  {days[0]} has numbers of days; day 0 is taken as {DAY_ZERO}, correct this date in the query"
    return replace(made, roles=table.roles | {"time": name}, notes=(*table.notes, note))
