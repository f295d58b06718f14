"""A candidate for a table of a mapping: its columns by role, and a sample of its rows."""

from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from rec_assets.common.errors import ActionableError
from rec_assets.sources.shop.guess.headerless import column_names, looks_like_data
from rec_assets.sources.shop.guess.sample import Sample
from rec_assets.sources.shop.mapping import Rows
from rec_assets.sources.shop.tables import connect, open_table, queries_of_document

SAMPLE_ROWS = 50_000
NEEDED = ("user", "item", "time")


@dataclass(frozen=True)
class Table:
    """A candidate for a table of the mapping.

    Attributes:
        label: files of the table, for notes and errors.
        origin: files or query, relative to `root`.
        root: folder of the data.
        roles: column by role.
        rows: number of all rows.
        sample: some of them.
        notes: sentences for the owner about the reading of the table.
    """

    label: str
    origin: Rows
    root: Path
    roles: dict[str, str]
    rows: int
    sample: Sample
    notes: tuple[str, ...] = ()

    @classmethod
    def read(cls, label: str, origin: Rows, root: Path) -> "Table":
        """Reads a sample and recognizes columns."""
        connection = connect(base=root, threads=1)
        table = open_table(connection, origin, root)
        rows = int(table.aggregate("count(*)").fetchall()[0][0])
        sample = Sample.of(connection, table.limit(SAMPLE_ROWS))
        return cls(label, origin, root, sample.roles(), rows, sample)

    @property
    def lacking(self) -> list[str]:
        """The roles that interactions need and the table has no column of."""
        return [role for role in NEEDED if role not in self.roles]


def read_files(files: str, root: Path) -> list[Table]:
    """Reads a sample of files; columns without names get names by their values.

    Returns:
        One table, or one for each list of a JSON document with several lists.

    Raises:
        ActionableError: DuckDB cannot read the files.
    """
    try:
        if queries := queries_of_document(files, root):
            return [Table.read(f"{name} of {files}", Rows(query=query), root) for name, query in queries.items()]
        table = Table.read(files, Rows(files=files), root)
        if not looks_like_data(table.sample.columns) or not (columns := column_names(table.sample)):
            return [table]
        note = f"  {files} has no header line; its columns are taken as {', '.join(columns)}"
        return [replace(Table.read(files, Rows(files=files, columns=columns), root), notes=(note,))]
    except duckdb.Error as error:  # DuckDB reads a file when its rows are counted
        reason = " ".join(str(error).splitlines()[:3])
        raise ActionableError(f"{files} is not readable ({reason}).", "Correct this file, or move it away.") from error
