"""Dagster's records are complete and in the database, although no event waits for the disk."""

import sqlite3
from pathlib import Path

import sqlalchemy
from sqlalchemy.pool import NullPool

from rec_assets.orchestration.runs.record_writes import cheap_record_writes


def write(file: Path, value: int) -> int:
    """Writes a row as Dagster does, with a connection of its own; returns the level of `PRAGMA synchronous`."""
    engine = sqlalchemy.create_engine(f"sqlite:///{file}", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("PRAGMA journal_mode = WAL"))
        level = connection.execute(sqlalchemy.text("PRAGMA synchronous")).scalar_one()
        connection.execute(sqlalchemy.text("CREATE TABLE IF NOT EXISTS events (value INTEGER)"))
        connection.execute(sqlalchemy.text(f"INSERT INTO events VALUES ({value})"))
        connection.commit()
    engine.dispose()
    return int(level)


def test_the_log_stays_open_inside_the_block_and_is_in_the_database_after_it(tmp_path: Path) -> None:
    file, elsewhere = tmp_path / "dagster" / "runs.db", tmp_path / "other.db"
    file.parent.mkdir()
    log = file.with_name("runs.db-wal")
    full, normal = 2, 1

    with cheap_record_writes(file.parent):
        assert [write(file, value) for value in range(3)] == [normal] * 3
        assert log.stat().st_size > 0
        assert write(elsewhere, 0) == full

    assert not log.exists()
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT value FROM events").fetchall() == [(0,), (1,), (2,)]
    assert write(file, 3) == full
