"""Makes writes to Dagster's SQLite records cheap during a run in this process.

Dagster opens and closes a connection for every event, and a run over many days writes thousands of events.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.engine import Engine


@contextmanager
def cheap_record_writes(home: Path) -> Iterator[None]:
    """Writes records below a Dagster home without a disk flush per event, until the block ends.

    Each database stays open once, because SQLite moves its log into the database when the last connection closes. A
    power cut can lose the last events, and no database is damaged: the next run rebuilds the assets of these events.

    Args:
        home: the Dagster home; databases elsewhere are written as before.
    """
    kept: dict[str, sqlite3.Connection] = {}

    def prepare(connection: object, _: object) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        file = connection.execute("PRAGMA database_list").fetchone()[2]
        if not Path(file).is_relative_to(home):
            return
        connection.execute("PRAGMA synchronous = NORMAL")  # safe because Dagster's databases have a write-ahead log
        if file not in kept:
            kept[file] = sqlite3.connect(file, timeout=0, check_same_thread=False)
        # A connection holds the log only after a read. While Dagster creates a database, the read may be refused.
        with suppress(sqlite3.OperationalError):
            kept[file].execute("SELECT name FROM sqlite_master").fetchall()

    home = home.resolve()
    event.listen(Engine, "connect", prepare)
    try:
        yield
    finally:
        event.remove(Engine, "connect", prepare)
        for connection in kept.values():
            with closing(connection):
                pass
