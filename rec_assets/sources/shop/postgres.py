"""Runs a query of a mapping in a Postgres database. DuckDB's extension for Postgres needs a download at run time."""

import tempfile
from typing import Any
from urllib.parse import urlsplit

import duckdb

from rec_assets.common.errors import ActionableError

TABLE = "rows_of_postgres"
TIMEOUT_S = 10


def run_query(connection: duckdb.DuckDBPyConnection, database: str, query: str) -> duckdb.DuckDBPyRelation:
    """Copies the rows of a query into DuckDB; all columns are texts, as those of a CSV file.

    The session of the database is read-only. libpq reads a password from `PGPASSWORD` or from `~/.pgpass`.

    Args:
        connection: from `tables.connect`.
        database: address, such as postgresql://reader@db.example/shop.
        query: SQL of the database; it returns one table.

    Raises:
        ActionableError: the database is unreachable, or refuses the query.
    """
    import psycopg2  # type: ignore[import-untyped]

    place = urlsplit(database).hostname or "this machine"
    try:
        session = psycopg2.connect(database, connect_timeout=TIMEOUT_S)
    except psycopg2.Error as error:
        raise ActionableError(
            f"The database of {place} is not reachable ({_reason(error)}).",
            "Correct `database` in the mapping, and set PGPASSWORD or ~/.pgpass if it needs a password.",
        ) from error
    try:
        session.set_session(readonly=True)
        with tempfile.NamedTemporaryFile(suffix=".csv") as file, session.cursor() as cursor:
            cursor.copy_expert(f"COPY ({query.strip().rstrip(';')}) TO STDOUT WITH (FORMAT csv, HEADER)", file)
            file.flush()
            # Copied, because the file goes away and a relation is read later.
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE {TABLE} AS "
                f"SELECT * FROM read_csv('{file.name}', all_varchar=true, header=true, delim=',', quote='\"', "
                "escape='\"')"
            )
        return connection.table(TABLE)
    except psycopg2.Error as error:
        raise ActionableError(
            f"The database of {place} refuses the query ({_reason(error)}).", "Correct `query` in the mapping."
        ) from error
    finally:
        session.close()


def _reason(error: Any) -> str:
    return " ".join(str(error).split())
