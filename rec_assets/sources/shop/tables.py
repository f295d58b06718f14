"""Opens the files or the query of a mapping as DuckDB relations. Does not interpret columns."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from upath import UPath

from rec_assets.common.errors import ActionableError
from rec_assets.common.file_limits import FileLimits
from rec_assets.sources.shop.encodings import NATIVE, as_utf8
from rec_assets.sources.shop.json_files import is_list_of_objects, json_table, lists_of_document
from rec_assets.sources.shop.mapping import Days, Rows
from rec_assets.sources.shop.postgres import run_query
from rec_assets.sources.shop.text_files import csv_options
from rec_assets.sources.shop.unread import unread

PARQUET, LINES = (".parquet", ".pq"), (".json", ".jsonl", ".ndjson")
# The last five are those of MovieLens, RecBole and the RecSys challenges.
TEXT = (".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".item", ".user")
DEFAULT_LIMITS = FileLimits()
COMPRESSED = (".gz", ".zst")
LITERAL = r"'((?:[^']|'')*)'"
READ_CSV = r"read_csv\((\[[^\]]*\]|'(?:[^']|'')*')([^()]*?)encoding='([\w-]+)'"


def connect(
    timezone: str = "UTC", base: Path = Path(), days: Days | None = None, *, threads: int | None = None
) -> duckdb.DuckDBPyConnection:
    """Opens DuckDB in memory.

    Args:
        timezone: zone of times without one.
        base: folder that relative paths in queries start from.
        days: the days of the variables `first_day` and `last_day`.
        threads: number of threads of a query; those of the machine by default.
    """
    connection = duckdb.connect(config={} if threads is None else {"threads": threads})
    connection.execute("SET TimeZone = ?", [timezone])
    connection.execute("SET file_search_path = ?", [str(base.absolute())])
    for name, day in {"first_day": days.first, "last_day": days.last}.items() if days else ():
        connection.execute(f"SET VARIABLE {name} = DATE '{day}'")
    return connection


def open_table(
    connection: duckdb.DuckDBPyConnection, rows: Rows, base: Path, limits: FileLimits = DEFAULT_LIMITS
) -> duckdb.DuckDBPyRelation:
    """Opens a table with all its columns; text files have columns of text.

    A field of a nested column becomes a column of its own, such as `product.sku`, and a list of texts the text "a > b".
    With `unfold`, each element of a list of objects has a row of its own.

    Args:
        connection: from `connect`.
        rows: files or query.
        base: folder that relative paths start from.
        limits: largest sizes of parquet files.

    Raises:
        ActionableError: there are no such files, they are too large, or DuckDB cannot read them.
    """
    try:
        if rows.database:
            return run_query(connection, rows.database, rows.query)
        if rows.query:
            return _flat(connection.sql(_decodable(rows.query, base)))
        files = data_files(rows.files, base)
        if "://" in rows.files:
            connection.register_filesystem(UPath(rows.files).fs)
        return _flat(_unfolded(_read(connection, files, limits, rows.columns), rows.unfold))
    except (duckdb.Error, pa.ArrowInvalid) as error:
        origin = rows.files or "The query"
        reason = " ".join(str(error).splitlines()[:3])
        step = "Correct the file or the mapping."
        if "JSON" in reason:
            step = "Write the file as JSON lines with double quotes, or as CSV."
        if "extension" in reason:
            step = "Give the address of a Postgres as `database`, install the DuckDB extension, or export the table."
        raise ActionableError(f"{origin} is not readable ({reason}).", step) from error


def data_files(location: str, base: Path) -> list[str]:
    """Lists the data files of a file, a folder (its subfolders included) or a glob, sorted.

    Files that begin with "." or "_" are left out, as Spark's markers.

    Raises:
        ActionableError: there is no data file.
    """
    remote = "://" in location
    root = path_of(location, base)
    is_folder = root.is_dir()
    if any(sign in location for sign in "*?["):
        absolute = remote or Path(location).is_absolute()
        start: Any = UPath(location.split("*")[0].rpartition("/")[0]) if absolute else base
        found = list(start.glob(location[len(str(start)) + 1 :] if absolute else location))
    elif is_folder:
        found = [file for file in root.rglob("*") if not any(part[0] in "._" for part in file.relative_to(root).parts)]
    else:
        found = [root]
    files = sorted(str(file) for file in found if kind_of(str(file)) and file.is_file())
    if not files:
        if others := unread(Path(str(file)) for file in found):
            raise ActionableError(f"{root} has no file that is read. {others[0].problem}", others[0].next_step)
        kinds = ", ".join((*PARQUET[:1], *TEXT[:2], *LINES[:2]))
        raise ActionableError(f"{root} has no data files.", f"Name a file, folder or glob of {kinds}.")
    return files


def path_of(location: str, base: Path) -> Any:
    """Returns the `Path` of a relative or absolute location, or the `UPath` of one such as s3://bucket/orders.

    Raises:
        ActionableError: a package for this kind of location is missing.
    """
    if "://" not in location:
        return base / location
    try:
        path = UPath(location)
        _ = path.fs  # imports the package
        return path
    except ImportError as error:
        raise ActionableError(
            f"{location} needs a missing package ({error}).", "Install this package into the environment of `rec`."
        ) from error


def kind_of(file: str) -> tuple[str, ...]:
    """Returns the extensions of the kind of a file, () for a file of another kind."""
    name = file.lower()
    for suffix in COMPRESSED:
        name = name.removesuffix(suffix)
    return next((kind for kind in (PARQUET, TEXT, LINES) if name.endswith(kind)), ())


def reader(rows: Rows, base: Path) -> str:
    """Returns the SQL of a table function that reads `files` as `open_table` does; relative paths stay relative.

    Raises:
        ActionableError: there are no such files, or they have different formats.
    """
    location, files = rows.files, data_files(rows.files, base)
    if "*" not in location and "://" not in location and (base / location).is_dir():
        location = f"{location}/**/*{Path(files[0]).suffix}"
    return _function(connect(base=base), f"'{_escaped(location)}'", files, rows.columns)


def _read(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str], limits: FileLimits, columns: Sequence[str] = ()
) -> duckdb.DuckDBPyRelation:
    for file in files if kind_of(files[0]) == PARQUET else ():
        with UPath(file).open("rb") as stream:
            limits.require_parquet(file, stream)
    return connection.sql(_decodable(f"SELECT * FROM {_function(connection, _listed(files), files, columns)}", Path()))


def _function(connection: duckdb.DuckDBPyConnection, listed: str, files: Sequence[str], columns: Sequence[str]) -> str:
    kinds = {kind_of(file) for file in files}
    if len(kinds) != 1:
        names = ", ".join(Path(file).name for file in files[:4])
        raise ActionableError(f"The files have different formats ({names}).", "Name files of one format by a glob.")
    (kind,) = kinds
    if kind == PARQUET:
        return f"read_parquet({listed}, union_by_name=true)"
    if kind == LINES:
        return json_table(connection, listed, files, _listed(files))
    return f"read_csv({listed}, {csv_options(files, columns)})"


def _decodable(query: str, base: Path) -> str:
    """Returns a query that reads copies in UTF-8 of text files in an encoding that DuckDB does not decode."""

    def copied(call: re.Match[str]) -> str:
        listed, between, encoding = call.groups()
        if encoding in NATIVE:
            return call[0]
        names = [text.replace("''", "'") for text in re.findall(LITERAL, listed)]
        copies = [as_utf8(file, encoding) for name in names for file in data_files(name, base)]
        return f"read_csv({_listed(copies)}{between}encoding='utf-8'"

    return re.sub(READ_CSV, copied, query)


def _listed(files: Sequence[str]) -> str:
    return "[" + ", ".join(f"'{_escaped(file)}'" for file in files) + "]"


def _escaped(text: str) -> str:
    return text.replace("'", "''")


def lists_of_objects(rows: Rows, base: Path) -> list[str]:
    """Returns the columns of a table whose values are lists of objects, such as the lines of an order."""
    if rows.query:
        table = connect(base=base, threads=1).sql(_decodable(rows.query, base))
    elif kind_of(data_files(rows.files, base)[0]) == TEXT:
        return []
    else:
        table = _read(connect(base=base), data_files(rows.files, base), DEFAULT_LIMITS)
    return [name for name, kind in zip(table.columns, table.types, strict=True) if is_list_of_objects(kind)]


def queries_of_document(file: str, base: Path) -> dict[str, str]:
    """Returns a query for each list of a JSON document with several lists, by the name of the list; {} for others."""
    if kind_of(file) != LINES or not (base / file).is_file():
        return {}
    found = lists_of_document(connect(base=base, threads=1), f"'{_escaped(file)}'", str(base / file))
    return {name: f"SELECT * FROM {table}" for name, table in found.items()}


def _unfolded(table: duckdb.DuckDBPyRelation, column: str) -> duckdb.DuckDBPyRelation:
    """Returns one row for each element of a column of lists; an empty list has no row."""
    if not column:
        return table
    if column not in table.columns or table.types[table.columns.index(column)].id != "list":
        raise ActionableError(
            f"The table has no list {column} (columns: {', '.join(table.columns)}).", "Correct `unfold` in the mapping."
        )
    name = column.replace('"', '""')
    return table.project(f'* REPLACE (unnest("{name}") AS "{name}")')


def _flat(table: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    leaves = [leaf for name, kind in zip(table.columns, table.types, strict=True) for leaf in _leaves((name,), kind)]
    if all(expression == f'"{name}"' for name, expression in leaves):
        return table
    quoted = (name.replace('"', '""') for name, _ in leaves)
    return table.project(", ".join(f'{one} AS "{name}"' for name, (_, one) in zip(quoted, leaves, strict=True)))


def _leaves(path: tuple[str, ...], kind: Any) -> list[tuple[str, str]]:
    """Returns name and SQL of each column without fields below a column."""
    expression = ".".join('"' + part.replace('"', '""') + '"' for part in path)
    if kind.id == "struct":
        return [leaf for name, below in kind.children for leaf in _leaves((*path, name), below)]
    if kind.id == "list":
        if kind.children[0][1].id == "list":  # several paths of categories: all levels in one
            expression = f"flatten({expression})"
        elif is_list_of_objects(kind) and "name" in dict(kind.children[0][1].children):  # such as categories
            expression = f'list_transform({expression}, lambda x: x."name")'
        expression = f"array_to_string(CAST({expression} AS VARCHAR[]), ' > ')"
    return [(".".join(path), expression)]
