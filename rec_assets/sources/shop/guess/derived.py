"""Tables that a query makes from others: properties of items in a row each, and days of numbers, parts or files."""

from dataclasses import replace
from datetime import date

from rec_assets.sources.shop import values
from rec_assets.sources.shop.guess import names
from rec_assets.sources.shop.guess.table import Table
from rec_assets.sources.shop.guess.words import WORDS
from rec_assets.sources.shop.mapping import Rows
from rec_assets.sources.shop.tables import connect, open_table, reader

PROPERTIES = ("property", "propertyname", "attribute", "attributename", "feature", "key")
MOST_PROPERTIES = 20  # columns of the made table
DAY_NUMBERS = ("day", "dayno", "dayid", "daynum", "daynumber")
DATED = r"(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d"  # in the name of a file
POSITIONS = frozenset(
    ["position", "imageposition", "sortorder", "sort", "rank", "order", "imageorder", "index", "priority"]
)
SAYING_MORE = frozenset(["user", "time", "title", "description", "price", "available", "brand"])
LANGUAGES = frozenset(["lang", "language", "idlang", "langid", "languageid", "langcode", "languagecode", "locale"])
MOSTLY_OBJECTS = 0.9  # share of cells that are objects, from which the fields of a column are columns
BELOW = 0.05  # share of rows without user and time, from which they belong to the order above them
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


def with_one_image(table: Table) -> Table:
    """Returns a table with a row for each item, if it only names images and has several of an item.

    The first by a column of positions is taken; without such a column, the first by name.
    """
    sample, roles = table.sample, table.roles
    is_of_images = {"item", "image"} <= roles.keys() and not roles.keys() & SAYING_MORE
    if not is_of_images or not table.origin.files or sample.distinct(roles["item"]) == sample.rows:
        return table
    item, image = values.quoted(roles["item"]), values.quoted(roles["image"])
    places = [name for name in sample.columns if names.plain(name) in POSITIONS and sample.is_number(name)]
    first = f"arg_min({image}, {values.amount(places[0])})" if places else f"min({image})"
    query = f"SELECT {item}, {first} AS {image} FROM {reader(table.origin, table.root)} GROUP BY 1"
    note = f"  of several images of an item, the first by {places[0] if places else 'name'} is taken"
    return replace(Table.read(table.label, Rows(query=query), table.root), roles=roles, notes=(*table.notes, note))


def with_repeated_titles(table: Table) -> Table:
    """Returns a table of variants in which each has the title of its product.

    Some exports, such as that of products of Shopify, write what variants have in common only into the first row of a
    product. The other rows name the product by the same handle. Columns that are empty there get the product's value.
    """
    sample, title = table.sample, table.roles.get("title")
    handle = sample.column_named("handle")
    if not (title and handle and table.origin.files and sample.filled(title) < 1 <= sample.filled(handle)):
        return table
    shared = [one for one in sample.columns if one != handle and sample.filled(one) <= sample.filled(title)]
    group = values.quoted(handle)
    filled = [
        f"coalesce({values.quoted(one)}, max({values.quoted(one)}) OVER (PARTITION BY {group})) AS {values.quoted(one)}"
        for one in shared
    ]
    query = f"SELECT * REPLACE ({', '.join(filled)}) FROM {reader(table.origin, table.root)}"
    return replace(Table.read(table.label, Rows(query=query), table.root), roles=table.roles, notes=table.notes)


def with_fields_of_texts(table: Table) -> Table:
    """Returns a table in which fields of objects that are written as text in a cell are columns, if it lacks an item.

    Exports of analytics have such a column of properties. Fields whose names have no role stay there.
    """
    if "item" not in table.lacking or not table.origin.files:
        return table
    sample = table.sample
    columns: list[str] = []
    for column in sample.columns:
        quoted = values.quoted(column)
        text = f"CAST({quoted} AS VARCHAR)"
        if sample.share(f"coalesce({text} LIKE '{{%' AND json_valid({text}), false)") < MOSTLY_OBJECTS:
            continue
        fields = f"SELECT unnest(json_keys({text})) AS key FROM sample WHERE json_valid({text})"
        counted = sample.connection.sql(
            f"SELECT key, count(*) FROM ({fields}) GROUP BY 1 ORDER BY 2 DESC, 1"
        ).fetchall()
        known = [key for key, _ in counted if names.is_category(key) or any(names.ranked(r, [key]) for r in WORDS)]
        columns += [
            f"json_extract_string(CASE WHEN json_valid({quoted}) THEN {quoted} END, {values.literal(f'/{key}')}) "
            f"AS {values.quoted(f'{column}.{key}')}"
            for key in known[:MOST_PROPERTIES]
        ]
    if not columns:
        return table
    query = f"SELECT *, {', '.join(columns)} FROM {reader(table.origin, table.root)}"
    return replace(Table.read(table.label, Rows(query=query), table.root), notes=table.notes)


def with_one_language(table: Table) -> Table:
    """Returns a table of texts in several languages with those in the most frequent one, unchanged for other tables."""
    sample = table.sample
    spoken = next((name for name in sample.columns if names.plain(name) in LANGUAGES), None)
    if spoken is None or "time" in table.roles or not table.origin.files or sample.distinct(spoken) < 2:
        return table
    language = values.identifier(spoken)

    def has_a_row_for_each_language(key: str) -> bool:
        pairs = sample.number(f"count(DISTINCT ({values.identifier(key)}, {language}))")
        return 1 < sample.distinct(key) < sample.rows == pairs

    keys = [name for name in sample.columns if name != spoken and names.CODED.search(names.plain(name))]
    if not any(map(has_a_row_for_each_language, keys)):
        return table
    counts = sample.counts(spoken)
    most = max(counts, key=lambda one: counts[one])
    query = f"SELECT * FROM {reader(table.origin, table.root)} WHERE {language} = {values.literal(most)}"
    note = f"  of several languages, the texts with {spoken} {most} are taken"
    return replace(Table.read(table.label, Rows(query=query), table.root), notes=(*table.notes, note))


def with_orders_above(table: Table) -> Table:
    """Returns a table whose rows all have their user and their time, if only the first row of each order has them."""
    if table.lacking or not table.origin.files or table.origin.unfold:
        return table
    sample, user, time = table.sample, table.roles["user"], table.roles["time"]
    is_below = f"{values.identifier(user)} IS NULL AND {values.identifier(time)} IS NULL"
    is_below = f"{is_below} AND {values.identifier(table.roles['item'])} IS NOT NULL"
    if sample.share(is_below) < BELOW:
        return table
    below = f"sample WHERE {is_below}"
    of_orders = [name for name in sample.columns if not sample.number(f"count({values.identifier(name)})", below)]
    taken = [
        f'first_value({values.quoted(name)}) OVER (PARTITION BY "order above" ORDER BY "row") AS {values.quoted(name)}'
        for name in of_orders
    ]
    query = (
        f'SELECT * EXCLUDE ("row", "order above") REPLACE ({", ".join(taken)}) FROM (SELECT *, '
        f'count({values.identifier(time)}) OVER (ORDER BY "row" ROWS UNBOUNDED PRECEDING) AS "order above" FROM '
        f'(SELECT *, row_number() OVER () AS "row" FROM {reader(table.origin, table.root)}))'
    )
    note = f"  rows without {user} and {time} belong to the order above them"
    return replace(Table.read(table.label, Rows(query=query), table.root), notes=(*table.notes, note))


def with_dates(table: Table) -> Table:
    """Returns a table with a column of dates, if it has no other time.

    The dates are those of columns of a year, a month and a day, of the names of files, or of numbers of days.
    """
    if table.lacking != ["time"]:
        return table
    sample = table.sample
    parts = [sample.column_named(part) for part in ("year", "month", "day")]
    if all(parts):
        day = f"try_cast(concat_ws('-', {', '.join(values.quoted(str(part)) for part in parts)}) AS DATE)"
        if (made := _with_date(table, "date of the parts", day, "")) is not table:
            return made
    if table.origin.files:
        day = f"try_cast(regexp_replace(regexp_extract(filename, '.*({DATED})', 1), '[^0-9]', '', 'g') AS INTEGER)"
        note = "  the date in the names of the files is taken as the time"
        if (made := _with_date(table, "date of the file", day, note)) is not table:
            return made
    days = [name for name in sample.columns if names.plain(name) in DAY_NUMBERS and sample.is_number(name)]
    if not days or sample.number(f"max({values.whole(days[0])})") <= LAST_OF_A_MONTH:
        return table
    note = f"  {days[0]} has numbers of days; day 0 is taken as {DAY_ZERO}, correct this date in the query"
    return _with_date(table, f"date of {days[0]}", f"DATE '{DAY_ZERO}' + {values.whole(days[0])}", note)


def _with_date(table: Table, name: str, day: str, note: str) -> Table:
    """Returns the table with a column that an expression of SQL gives, unchanged if the column is no time."""
    origin = f"({table.origin.query})" if table.origin.query else reader(table.origin, table.root)
    if "filename" in day and origin.startswith("("):  # a document
        return table
    if "filename" in day:
        origin = f"{origin.removesuffix(')')}, filename=true)"
    query = f"SELECT *, {day} AS {values.quoted(name)} FROM {origin}"
    made = Table.read(table.label, Rows(query=query), table.root)
    if made.sample.time_format(name) is None or made.sample.distinct(name) < 2:  # the date of the export tells nothing
        return table
    notes = (*table.notes, *([note] if note else []))
    clock = made.sample.clock(name)
    roles = table.roles | {"time": name} | ({"time_of_day": clock} if clock else {})
    return replace(made, roles=roles, notes=notes)
