"""The whole state that events change, read by the code that serves it, so that tests can compare states."""

from dataclasses import dataclass

import numpy as np

from rec_assets.features.store import online
from rec_assets.realtime.open_log import open_log
from rec_assets.realtime.recent_items import RecentItems
from rec_assets.realtime.seen_items import SeenItems
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.trending import Trending
from rec_assets.realtime.worker import Worker
from rec_assets.settings import Settings
from rec_assets.storage.keys import IDENTITY, ITEM_VERSION
from rec_assets.storage.valkey import connect


@dataclass(frozen=True)
class State:
    """State of some users, popularity of items, and rows of the log."""

    seen: list[list[bool]]
    recent: list[list[tuple[int, int]]]
    top_category: list[int]
    ages: list[float]
    trending: list[tuple[int, int]]
    log: list[tuple[object, ...]]


def state_of(settings: Settings, users: list[int], items: int = 60) -> State:
    client = connect(settings)
    item_ids, splits = np.arange(items), np.array([0, items], np.int64)
    rows = online.read_users(online.open_store(settings, online.BULK_TIMEOUT), np.array(users)).columns
    log = open_log(settings)
    return State(
        [SeenItems(client).contain(np.array([user]), item_ids, splits).tolist() for user in users],
        [RecentItems(client).latest(user) for user in users],
        rows["top_category"].tolist(),
        np.nan_to_num(rows["age"], nan=-1).tolist(),
        sorted(Trending.connect(settings).top(1000)),
        [row for day in log.days() for row in log.read(day).drop("top_category").iter_rows()],
    )


def top_category(settings: Settings, user: int) -> int:
    rows = online.read_users(online.open_store(settings, online.BULK_TIMEOUT), np.array([user]))
    return int(rows.columns["top_category"][0])


def seen(settings: Settings, user: int, items: list[int]) -> list[int]:
    client = connect(settings)
    answers = SeenItems(client).contain(np.array([user]), np.array(items), np.array([0, len(items)], np.int64))
    return [item for item, answer in zip(items, answers, strict=True) if answer]


def drain(settings: Settings, name: str = "worker", idle_ms: int = 60_000) -> int:
    """Applies all waiting entries in this process; returns their number."""
    worker, applied = Worker(settings, name, idle_ms), 0
    while count := worker.round(wait_ms=1):
        applied += count
    return applied


def delete_events_and_effects(settings: Settings) -> None:
    """Deletes all keys except features and the identity."""
    client = connect(settings)
    for key in list(client.scan_iter()):
        if not key.endswith(online.PROJECT.encode()) and key.decode() not in (IDENTITY, ITEM_VERSION):
            client.delete(key)


def backlog(settings: Settings) -> int:
    state = EventStream.connect(settings).state()
    return state.waiting + state.taken
