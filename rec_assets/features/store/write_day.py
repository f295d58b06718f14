"""Writes a day's features to the online store: only rows that differ from the stored ones.

Feast's full write of a day converts and writes every row, whether it changed or not. Reading the stored rows takes a
fraction of that time. The comparison is with the store and not with an earlier file, because workers and the catalog
update write rows, too, and because a store may have lost some.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import redis

from rec_assets.common.concurrency.background_thread import background_thread
from rec_assets.common.errors import ActionableError
from rec_assets.features.store import online
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import ITEM_VIEW, KEY_OF
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import Valkey, connect, translate_redis_errors
from rec_assets.storage.valkey.keys import WRITING_LOCK, WRITTEN_DAYS

LOCK_LIFETIME_S, RENEW_EVERY_S = 60.0, 15.0
PATIENCE_S = 1800.0
ROWS_AT_ONCE = 10_000


@dataclass(frozen=True)
class WrittenDay:
    """Result of a write.

    Attributes:
        rows: number of rows of the day.
        changed: number of rows that were new or differed from the stored row; all rows of a full write.
        is_full: True if the store had no day of the view before.
    """

    rows: int
    changed: int
    is_full: bool


def write_day(settings: Settings, view: str, file: Path, at: datetime) -> WrittenDay:
    """Writes the features of a day, which `online.apply` has registered.

    Afterwards requests read the same values as after `online.materialize` of the day. A stored row with a later
    `event_timestamp` stays. So does a row that exists, if the store already had this day or a later one.

    Args:
        settings: address of Valkey.
        view: `USER_VIEW` or `ITEM_VIEW`.
        file: parquet file of the day, with the key and the features of the view.
        at: end of the day (UTC), the `event_timestamp` of all rows.

    Raises:
        ActionableError: Valkey does not answer, or another run has been writing a day for half an hour.
    """
    client = connect(settings)
    with translate_redis_errors(client), _one_at_a_time(client):
        newest, day = client.zscore(WRITTEN_DAYS, view), pl.read_parquet(file)
        if newest is None:
            online.materialize(settings, at - timedelta(seconds=1), at, [view])
            changed = day.height
        else:
            changed = _write_changed(settings, view, day, at, only_missing=at.timestamp() <= newest)
        client.zadd(WRITTEN_DAYS, {view: at.timestamp()}, gt=True)
    return WrittenDay(day.height, changed, newest is None)


def _write_changed(settings: Settings, view: str, day: pl.DataFrame, at: datetime, *, only_missing: bool) -> int:
    """Writes rows of a day that differ from the stored ones; returns their number.

    Unchanged rows keep an earlier `event_timestamp`. Therefore a day that is not newer than the newest one may only
    add missing rows.
    """
    store = online.open_store(settings, online.BULK_TIMEOUT)
    reader = OnlineReader(settings, view, connect(settings))
    changed = 0
    for rows in day.iter_slices(ROWS_AT_ONCE):
        ids, columns = rows[KEY_OF[view]].to_numpy(), online.feature_columns(view, rows)
        stored = reader(ids)
        wanted = ~stored.known
        if not only_missing:
            wanted |= np.any([_differ(columns[name], stored.columns[name]) for name in columns], axis=0)
        if wanted.any():
            times = np.full(int(wanted.sum()), int(at.timestamp()))
            online.write_rows(
                store, view, ids[wanted], {name: column[wanted] for name, column in columns.items()}, times
            )
            changed += len(times)
    if changed and view == ITEM_VIEW:
        online.renew_item_version(settings)
    return changed


def _differ(column: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Compares values [n]; NaN equals NaN."""
    return (column != other) & ~((column != column) & (other != other))


@contextmanager
def _one_at_a_time(client: Valkey) -> Iterator[None]:
    """Holds a lock in Valkey. A run of an earlier day could otherwise overwrite rows that a later day left as they are.

    The lock of a killed run ends after `LOCK_LIFETIME_S`.
    """
    lock = client.lock(WRITING_LOCK, timeout=LOCK_LIFETIME_S, blocking_timeout=PATIENCE_S, thread_local=False)

    def renew(stop: Event) -> None:
        while not stop.wait(RENEW_EVERY_S):
            with suppress(redis.RedisError):  # the lock may live long enough for the next time
                lock.reacquire()

    if not lock.acquire():
        raise ActionableError(
            f"Another run has been writing features to Valkey for {PATIENCE_S / 60:.0f} minutes.",
            "Wait until it ends or stop it, then materialize this day again.",
        )
    try:
        with background_thread(renew):
            yield
    finally:
        with suppress(redis.RedisError):  # it ends by itself
            lock.release()
