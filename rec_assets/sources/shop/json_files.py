"""Reads JSON: lines, lists, and documents around lists, such as {"orders": [...]}. Does not flatten columns."""

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
    options = _options(files)
    lists = _lists_in(connection, f"read_json_auto({names}, {options})")
    read = f"read_json_auto({listed}, {options})"
    return _elements(*lists[0], read) if len(lists) == 1 else read


def lists_of_document(connection: duckdb.DuckDBPyConnection, listed: str, file: str) -> dict[str, str]:
    """Returns the SQL of a table for each list of a document by the list's name, {} for files with fewer than two.

    An example is an export such as {"customers": [...], "orders": [...]}.

    Args:
        connection: reads the types of the columns.
        listed: the file in SQL, as the returned texts have it.
        file: its absolute path.
    """
    if not _is_document(file):
        return {}
    read = f"read_json_auto({listed}, {_options([file])})"
    lists = _lists_in(connection, read)
    return {path.split('"')[-2]: _elements(path, kind, read) for path, kind in lists} if len(lists) > 1 else {}


def _options(files: Sequence[str]) -> str:
    size = max(
        UPath(file).stat().st_size * (UNPACKED if file.lower().endswith((".gz", ".zst")) else 1) for file in files
    )
    return f"union_by_name=true, maximum_object_size={max(LARGEST, size + 1)}"


def _lists_in(connection: duckdb.DuckDBPyConnection, read: str) -> list[tuple[str, Any]]:
    table = connection.sql(f"SELECT * FROM {read}")
    columns = zip(table.columns, table.types, strict=True)
    return [one for name, kind in columns for one in _lists(f'"{name}"', kind)]


def _elements(path: str, kind: Any, read: str) -> str:
    """Returns the SQL of a table with a row for each object of a list."""
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
