"""Reads JSON: lines, lists, and documents around one list, such as {"orders": [...]}. Does not flatten columns."""

import json
from collections.abc import Sequence
from typing import Any

import duckdb
from upath import UPath

from rec_assets.sources.shop.text_files import head_of

LARGEST = 1 << 24  # bytes of an object that DuckDB reads by default
UNPACKED = 20  # times that a compressed document may be larger


def json_table(connection: duckdb.DuckDBPyConnection, listed: str, files: Sequence[str], names: str) -> str:
    """Returns the SQL of a table with a row for each object.

    Interfaces of shop software answer with one document that holds the objects in a list, perhaps beside facts about
    the answer. Such a list is the table, if it is the only one with objects.

    Args:
        connection: reads the types of the columns.
        listed: the files in SQL, as the returned text has them.
        files: their absolute paths.
        names: these paths in SQL.
    """
    if not all(map(_is_document, files)):
        return f"read_json_auto({listed}, union_by_name=true)"
    size = max(
        UPath(file).stat().st_size * (UNPACKED if file.lower().endswith((".gz", ".zst")) else 1) for file in files
    )
    options = f"union_by_name=true, maximum_object_size={max(LARGEST, size + 1)}"
    table = connection.sql(f"SELECT * FROM read_json_auto({names}, {options})")
    columns = zip(table.columns, table.types, strict=True)
    lists = [one for name, kind in columns for one in _lists(f'"{name}"', kind)]
    read = f"read_json_auto({listed}, {options})"
    if len(lists) != 1:
        return read
    path, kind = lists[0]
    while len(kind.children) == 1 and kind.children[0][1].id == "struct":  # such as the nodes of GraphQL
        inner, kind = kind.children[0]
        path = f'list_transform({path}, lambda x: x."{inner}")'
    return f"(SELECT element.* FROM (SELECT unnest({path}) AS element FROM {read}))"


def is_list_of_objects(kind: Any) -> bool:
    """Returns True for the DuckDB type of a list of objects."""
    return bool(kind.id == "list" and kind.children[0][1].id == "struct")


def _lists(path: str, kind: Any) -> list[tuple[str, Any]]:
    """Returns the SQL of each list of objects in a column of a type, and the type of its objects."""
    if is_list_of_objects(kind):
        return [(path, kind.children[0][1])]
    below = kind.children if kind.id == "struct" else []
    return [found for name, inner in below for found in _lists(f'{path}."{name}"', inner)]


def _is_document(file: str) -> bool:
    """Returns True for a file that is one object, False for lines of objects and for a list."""
    text = head_of(file).decode(errors="replace").lstrip("\ufeff \r\n\t")
    if not text.startswith("{"):
        return False
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except ValueError:  # the object is larger than what was read
        return True
    return not text[end:].strip()
