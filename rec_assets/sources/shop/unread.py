"""Kinds of files that are not read, each with the way to a kind that is. Does not open files."""

from collections.abc import Iterable
from pathlib import Path

from rec_assets.common.errors import ActionableError

# Extensions, the kind of the file, and the next step.
KINDS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        (".xlsx", ".xls", ".xlsm", ".xlsb", ".ods", ".numbers"),
        "a spreadsheet",
        "Save each of its sheets as CSV, in Excel as `CSV UTF-8`.",
    ),
    ((".zip", ".7z", ".rar", ".tar", ".tgz", ".tar.gz"), "an archive", "Unpack it, and name the folder of its files."),
    (
        (".db", ".sqlite", ".sqlite3", ".db3"),
        "a database of SQLite",
        "Export its tables, such as with `sqlite3 -header -csv FILE 'SELECT * FROM orders' > orders.csv`.",
    ),
    (
        (".duckdb", ".ddb"),
        "a database of DuckDB",
        "Export its tables, such as with `duckdb FILE \"EXPORT DATABASE 'exports' (FORMAT parquet)\"`.",
    ),
    ((".sql", ".dump", ".bak"), "a dump of a database", "Load it into its database, and export the tables as CSV."),
    ((".bz2", ".xz"), "compressed in another way than with gzip", "Unpack it."),
    (
        (".avro", ".orc", ".feather", ".arrow", ".pkl", ".pickle", ".h5", ".hdf5", ".mat", ".rds", ".rdata", ".xml"),
        "of a kind that is not read",
        "Write it as Parquet or CSV.",
    ),
)


def unread(files: Iterable[Path]) -> list[ActionableError]:
    """Returns an error for each file of a kind that is not read and that may hold tables, sorted by name."""
    found = []
    for file in sorted(files):
        kind = next((one for one in KINDS if file.name.lower().endswith(one[0])), None)
        if kind and not file.name.startswith((".", "~", "_")):
            found.append(ActionableError(f"{file.name} is {kind[1]}.", kind[2]))
    return found
