"""Damage in one user's state costs only this user something; a clock that jumped or many requests cost nobody."""

import time
from typing import Any

import numpy as np
import pytest
import redis

from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import USER_VIEW
from rec_assets.realtime.log.behavior_log import BehaviorLog
from rec_assets.realtime.stores.recent_items import RecentItems
from rec_assets.realtime.stores.seen_items import SeenItems
from rec_assets.realtime.stores.user_activity import UserActivityStore
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.work_stream import PAGE
from rec_assets.realtime.worker import Worker, alive_file
from rec_assets.serving.client import Client
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import Valkey, connect
from rec_assets_tests.realtime.conftest import MORNING
from rec_assets_tests.realtime.state import backlog, drain, seen
from rec_assets_tests.waiting import wait_until

USERS = np.arange(1, 17, dtype=np.int32)
DAMAGED, YEAR_MS = 5, 365 * 86_400_000


def damages(key: str) -> dict[str, list[tuple[Any, ...]]]:
    """Returns the commands that damage a user's history, by kind."""
    return {
        "no item": [("ZADD", key, MORNING, "not an interaction")],
        "large item": [("ZADD", key, MORNING, f"{MORNING}:99999999999999")],
        "negative item": [("ZADD", key, MORNING, f"{MORNING}:-7")],
        "endless time": [("ZADD", key, "inf", f"{MORNING}:0000000007")],
        "negative time": [("ZADD", key, "-5", "-5:0000000007")],
        "another type": [("DEL", key), ("SET", key, "text")],
        "a list": [("DEL", key), ("RPUSH", key, "1")],
    }


@pytest.fixture
def histories(valkey: Settings) -> Valkey:
    """A Valkey with one click of each user on the item of the user's number."""
    activity = UserActivityStore.connect(valkey)
    for user in USERS.tolist():
        activity.record(user, [user], MORNING)
    return connect(valkey)


@pytest.mark.parametrize("kind", damages(""))
def test_a_damaged_history_costs_only_its_user(histories: Valkey, kind: str) -> None:
    recent = RecentItems(histories)
    for command in damages(RecentItems.key(DAMAGED))[kind]:
        histories.execute_command(*command)
    items, times = recent.histories(USERS)
    others = USERS != DAMAGED
    assert items[others, 0].tolist() == USERS[others].tolist() and (times[others, 0] == MORNING).all()
    kept = {"another type": [], "a list": [], "endless time": [7, DAMAGED]}.get(kind, [DAMAGED])
    assert [item for item in items[~others][0].tolist() if item >= 0] == kept
    found = recent.since(dict.fromkeys(USERS.tolist(), 0))
    mine = found.user_ids == 7
    assert (found.item_ids[mine].tolist(), found.times[mine].tolist()) == ([7], [MORNING])


def test_a_damaged_seen_filter_costs_only_its_user(histories: Valkey) -> None:
    histories.set(SeenItems.key(DAMAGED), "no filter")
    splits = np.arange(len(USERS) + 1, dtype=np.int64)
    assert SeenItems(histories).contain(USERS, USERS, splits).tolist() == (USERS != DAMAGED).tolist()


def test_an_outage_is_still_an_error(histories: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecentItems, "key", staticmethod(lambda user: "x"))
    histories.connection_pool.connection_kwargs["port"] = 1
    histories.connection_pool.disconnect()
    with pytest.raises(redis.ConnectionError):
        RecentItems(histories).histories(USERS)


def test_damaged_features_cost_only_their_user(store: Settings) -> None:
    reader, client = OnlineReader(store, USER_VIEW), connect(store)
    whole = reader(USERS)
    key = next(key for key in client.keys("*rec_assets") if key == reader.key(DAMAGED))
    for damage in ({"hash": True}, {"hash": False}):
        if damage["hash"]:
            for field in client.hkeys(key):
                client.hset(key, field, b"\xff\xff not a value")
        else:
            client.delete(key)
            client.set(key, "no hash")
        rows = reader(USERS)
        others = USERS != DAMAGED
        assert rows.known[others].tolist() == whole.known[others].tolist() and not rows.known[~others].any()
        for name, values in rows.columns.items():
            np.testing.assert_array_equal(values[others], whole.columns[name][others])


def test_many_forget_requests_under_a_backlog_read_it_once(store: Settings) -> None:
    client, requests, pages = Client(store), 100, 5
    for user in range(1, requests + 1):
        client.record(user, [7], MORNING)
        client.forget(user)
        client.record(user, [8], MORNING + 60)
    client.record(1000, [n % 60 for n in range(pages * PAGE)], MORNING)
    server = redis.Redis(store.valkey_host, store.valkey_port)
    server.config_resetstat()
    drain(store)
    calls = server.info("commandstats")["cmdstat_xrange"]["calls"]
    # Two looks by each request, each at one event of the user and at the end of the stream, and the pages once.
    assert calls <= 4 * requests + pages + 10
    assert seen(store, 50, [7, 8]) == [8] and seen(store, 1, [7, 8]) == [8]
    assert backlog(store) == 0


def test_a_long_round_shows_that_the_worker_lives(store: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rec_assets.realtime.worker.PROGRESS_EVERY_S", 0.0)
    monkeypatch.setattr("rec_assets.realtime.worker.RETRY_AFTER_S", (0.0,))
    server = redis.Redis(store.valkey_host, store.valkey_port)
    for user in (3, 4):
        server.set(RecentItems.key(user), "no history")
        Client(store).record(user, [7], MORNING)
    worker, shown = Worker(store, "slow"), 0
    show = worker._stream.show_alive

    def count(name: str) -> None:
        nonlocal shown
        show(name)
        shown += 1

    monkeypatch.setattr(worker._stream, "show_alive", count)
    worker.round(wait_ms=1)
    assert shown >= 4 and alive_file(store).exists()


def test_showing_progress_renews_the_time_at_which_a_worker_was_seen(valkey: Settings) -> None:
    stream = EventStream.connect(valkey)
    stream.open()
    stream.take("one", 1, 1)
    server: Any = redis.Redis(valkey.valkey_host, valkey.valkey_port)

    def idle() -> int:
        (consumer,) = server.xinfo_consumers("events", "workers")
        return int(consumer["idle"])

    wait_until(lambda: idle() > 100)
    stream.show_alive("one")
    assert idle() < 100
    assert stream.state().taken == 0


def test_after_a_clock_that_was_ahead_future_events_count_as_now_and_the_stream_is_trimmed(store: Settings) -> None:
    server, client = redis.Redis(store.valkey_host, store.valkey_port), Client(store)
    ahead = int(time.time() * 1000) + YEAR_MS
    event = {"user_id": 3, "item_id": 7, "at": MORNING, "kind": "clicked", "device_type": -1}
    server.xadd("events", event, id=f"{ahead}-1")  # as Valkey would while its clock is a year ahead
    (entry_id,) = client.record(3, [8], int(time.time()) + 86_400)
    assert entry_id.startswith(str(ahead)), "ids stay ahead"
    drain(store)
    recent = RecentItems(connect(store)).latest(3)
    assert [item for item, _ in recent] == [8, 7] and recent[0][1] <= time.time()
    assert BehaviorLog.of(store).days()[-1] <= time.strftime("%Y-%m-%d", time.gmtime())
    client.record(4, [n % 60 for n in range(300)], MORNING)
    drain(store)
    EventStream.connect(store).trim()
    assert server.xlen("events") <= 110  # Valkey trims whole nodes of 100 entries
