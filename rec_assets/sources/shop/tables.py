"""Opens the files or the query of a mapping as DuckDB relations. Does not interpret columns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from upath import UPath

from rec_assets.common.errors import ActionableError
from rec_assets.common.file_limits import FileLimits
from rec_assets.sources.shop.mapping import Days, Rows

PARQUET, TEXT, LINES = (".parquet", ".pq"), (".csv", ".tsv", ".txt"), (".json", ".jsonl", ".ndjson")
DEFAULT_LIMITS = FileLimits()
COMPRESSED = (".gz", ".zst")


def connect(timezone: str = "UTC", base: Path = Path(), days: Days | None = None) -> duckdb.DuckDBPyConnection:
    """Opens DuckDB in memory.

    Args:
        timezone: zone of times without one.
        base: folder that relative paths in queries start from.
        days: the days of the variables `first_day` and `last_day`.
    """
    connection = duckdb.connect()
    connection.execute("SET TimeZone = ?", [timezone])
    connection.execute("SET file_search_path = ?", [str(base.absolute())])
    for name, day in {"first_day": days.first, "last_day": days.last}.items() if days else ():
        connection.execute(f"SET VARIABLE {name} = DATE '{day}'")
    return connection


def open_table(
    connection: duckdb.DuckDBPyConnection, rows: Rows, base: Path, limits: FileLimits = DEFAULT_LIMITS
) -> duckdb.DuckDBPyRelation:
    """Opens a table with all its columns; text files have columns of text.

    Args:
        connection: from `connect`.
        rows: files or query.
        base: folder that relative paths start from.
        limits: largest sizes of parquet files.

    Raises:
        ActionableError: there are no such files, they are too large, or DuckDB cannot read them.
    """
    try:
        if rows.query:
            return connection.sql(rows.query)
        files = data_files(rows.files, base)
        if "://" in rows.files:
            connection.register_filesystem(UPath(rows.files).fs)
        return _read(connection, files, limits)
    except (duckdb.Error, pa.ArrowInvalid) as error:
        origin = rows.files or "The query"
        reason = str(error).splitlines()[0]
        raise ActionableError(f"{origin} is not readable ({reason}).", "Correct the file or the mapping.") from error


def data_files(location: str, base: Path) -> list[str]:
    """Lists the data files of a file, a folder (its subfolders included) or a glob, sorted.

    Files that begin with "." or "_" are left out, as Spark's markers.

    Raises:
        ActionableError: there is no data file.
    """
    remote = "://" in location
    root: Any = UPath(location) if remote else (base / location)
    if any(sign in location for sign in "*?["):
        start: Any = UPath(location.split("*")[0].rpartition("/")[0]) if remote else base
        found = list(start.glob(location[len(str(start)) + 1 :] if remote else location))
    elif root.is_dir():
        found = [file for file in root.rglob("*") if not any(part[0] in "._" for part in file.relative_to(root).parts)]
    else:
        found = [root]
    files = sorted(str(file) for file in found if kind_of(str(file)) and file.is_file())
    if not files:
        kinds = ", ".join((*PARQUET[:1], *TEXT[:2], *LINES[:2]))
        raise ActionableError(f"{location} has no data files (in {base}).", f"Name a file, folder or glob of {kinds}.")
    return files


def kind_of(file: str) -> tuple[str, ...]:
    """Returns the extensions of the kind of a file, () for a file of another kind."""
    name = file.lower()
    for suffix in COMPRESSED:
        name = name.removesuffix(suffix)
    return next((kind for kind in (PARQUET, TEXT, LINES) if name.endswith(kind)), ())


def _read(connection: duckdb.DuckDBPyConnection, files: Sequence[str], limits: FileLimits) -> duckdb.DuckDBPyRelation:
    kinds = {kind_of(file) for file in files}
    if len(kinds) != 1:
        names = ", ".join(Path(file).name for file in files[:4])
        raise ActionableError(f"The files have different formats ({names}).", "Name files of one format by a glob.")
    (kind,) = kinds
    listed = "[" + ", ".join("'" + file.replace("'", "''") + "'" for file in files) + "]"
    if kind == PARQUET:
        for file in files:
            with UPath(file).open("rb") as stream:
                limits.require_parquet(file, stream)
        return connection.sql(f"SELECT * FROM read_parquet({listed}, union_by_name=true)")
    if kind == LINES:
        return connection.sql(f"SELECT * FROM read_json_auto({listed}, union_by_name=true)")
    # As text: a stock code keeps its leading zeros.
    return connection.sql(f"SELECT * FROM read_csv({listed}, all_varchar=true, header=true, union_by_name=true)")
