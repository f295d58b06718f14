"""SQL of the levels of categories in one cell: "Men > Shirts", a list as JSON, or several paths with commas."""

import duckdb

from rec_assets.sources.shop.values import literal, words

MOST_ROOTS = 2  # levels above all items that are left out
BETWEEN = " > "  # levels of a list


def path(column: str) -> str:
    """Returns the text of a cell; of a list of texts, or of objects with names, the levels with " > " between them."""
    text = words(column)
    named = f"regexp_extract_all({text}, '[\"'']name[\"'']\\s*:\\s*[\"'']([^\"'']*)[\"'']', 1)"
    first = f"regexp_extract({text}, '^\\[+([^\\]]*)\\]', 1)"
    listed = f"regexp_replace(trim({first}, '\"'' '), '[\"'']\\s*,\\s*[\"'']', '{BETWEEN}', 'g')"
    numbers = f"regexp_replace({first}, '\\s*,\\s*', '{BETWEEN}', 'g')"
    return (
        f"CASE WHEN {text} NOT LIKE '[%]' THEN {text} WHEN len({named}) > 0 THEN array_to_string({named}, '{BETWEEN}') "
        f"WHEN regexp_matches({first}, '[\"'']') THEN nullif({listed}, '') ELSE nullif({numbers}, '') END"
    )


def levels_of(connection: duckdb.DuckDBPyConnection, table: str, column: str, separator: str) -> tuple[str, str]:
    """Returns SQL of both category levels of a column of paths.

    Of several paths with commas between them, the deepest counts. Levels that all items share, such as
    "Default Category", are left out.

    Args:
        connection: has the table.
        table: name of the table.
        column: the column of paths.
        separator: sign between the levels.
    """
    sign = literal(separator)
    paths = f"list_transform(string_split({path(column)}, ','), lambda x: trim(x))"
    start = f"trim(string_split({paths}[1], {sign})[1])"
    several = (
        f"len(list_filter({paths}, lambda x: contains(x, {sign}))) > 0 AND "
        f"(len(list_filter({paths}, lambda x: NOT contains(x, {sign}))) = 0 OR "
        f"len(list_filter({paths}, lambda x: NOT starts_with(x, {start}))) = 0)"
    )
    depths = f"list_transform({paths}, lambda x: {{'depth': len(string_split(x, {sign})), 'path': x}})"
    deepest = f"list_reverse_sort({depths})[1]['path']"
    one = path(column) if "," in separator else f"CASE WHEN {several} THEN {deepest} ELSE {path(column)} END"
    parts = f"list_transform(string_split({one}, {sign}), lambda x: trim(x))"
    root = 0
    while root < MOST_ROOTS and connection.sql(
        f"SELECT count(DISTINCT p[{root + 1}]) = 1 AND max(len(p)) > {root + 1} FROM (SELECT {parts} AS p FROM {table})"
    ).fetchall() == [(True,)]:
        root += 1
    both = f"array_to_string({parts}[{root + 1}:{root + 2}], '{BETWEEN}')"
    return f"nullif({parts}[{root + 1}], '')", f"nullif({both}, '')"
