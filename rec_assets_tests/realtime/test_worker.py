"""Every event is applied once, despite failures of workers, servers and other events."""

import os
import random
import re
import threading
from pathlib import Path
from typing import Any

import pytest
import redis

from rec_assets.common.errors import ActionableError
from rec_assets.common.traces import tracing
from rec_assets.features.store.feature_writer import FeatureWriter
from rec_assets.realtime.events import EventError
from rec_assets.realtime.log.behavior_log import BehaviorLog
from rec_assets.realtime.stores.trending import Trending
from rec_assets.realtime.stores.user_activity import UserActivityStore
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.worker import TRACED_AS, Worker, alive_file
from rec_assets.serving.client import Client
from rec_assets.settings import Settings
from rec_assets_tests.collector import running_collector
from rec_assets_tests.realtime.conftest import MORNING
from rec_assets_tests.realtime.state import backlog, delete_events_and_effects, drain, seen, state_of, top_category
from rec_assets_tests.servers import free_port
from rec_assets_tests.waiting import wait_until


def dead_letters(settings: Settings) -> list[str]:
    return [entry.fields[b"reason"].decode() for entry in EventStream.connect(settings).dead(10)]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"user_id": "<script>", "item_id": 1, "at": MORNING}, "user_id: .*integer.*'<script>'"),
        ({"user_id": -1, "item_id": 1, "at": MORNING}, "user_id: .*greater than or equal to 0"),
        ({"user_id": 3, "item_id": 2**40, "at": MORNING}, "item_id: .*less than or equal to 2147483647"),
        ({"user_id": 3, "item_id": 1, "at": "yesterday"}, "at: .*integer"),
        ({"user_id": 3, "item_id": 1}, "at: Field required"),
        ({"user_id": 3, "at": MORNING}, "names an item"),
        ({"user_id": 3, "item_id": 1, "at": MORNING, "kind": "licked"}, "kind: .*'clicked'"),
        ({b"\xff\xfe": b"\x00"}, "Field required"),
    ],
)
def test_what_is_no_event_is_put_aside_with_the_reason_and_the_others_get_through(
    store: Settings, fields: dict[str, object], reason: str
) -> None:
    client = redis.Redis(store.host, store.valkey_port)
    Client(store).record(3, [7], MORNING)
    client.xadd("events", fields)
    Client(store).record(3, [8], MORNING)
    drain(store)
    assert seen(store, 3, [7, 8]) == [7, 8]
    assert len(dead_letters(store)) == 1 and re.search(reason, dead_letters(store)[0])
    assert backlog(store) == 0


def test_what_cannot_be_applied_for_a_moment_is_not_given_up(store: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, failures = FeatureWriter.__call__, iter([ValueError("half a registry")] * 2)

    def stumble(*words: Any) -> int:
        for error in failures:
            raise error
        return whole(*words)

    monkeypatch.setattr(FeatureWriter, "__call__", stumble)
    Client(store).record(3, [7], MORNING)
    drain(store)
    assert (top_category(store, 3), dead_letters(store), backlog(store)) == (2, [], 0)


def test_an_event_that_cannot_be_applied_is_put_aside_and_the_others_get_through(store: Settings) -> None:
    redis.Redis(store.host, store.valkey_port).set("user:{4}:recent_items", "not what it should be")
    for user in (3, 4, 5):
        Client(store).record(user, [7], MORNING)
    drain(store)
    assert seen(store, 3, [7]) == seen(store, 5, [7]) == [7]
    assert [top_category(store, user) for user in (3, 5)] == [2, 2]
    assert len(dead_letters(store)) == 1 and "WRONGTYPE" in dead_letters(store)[0]
    assert backlog(store) == 0


@pytest.mark.parametrize("words", [{"user_id": -1}, {"item_ids": [2**40]}, {"at": 0}, {"kind": "licked"}])
def test_a_client_refuses_what_is_no_event(store: Settings, words: dict[str, Any]) -> None:
    right: dict[str, Any] = {"user_id": 3, "item_ids": [7], "at": MORNING}
    with pytest.raises(EventError, match=r"^\w+: "):
        Client(store).record(**right | words)
    assert backlog(store) == 0


class Killed(BaseException):
    """An exception that no handler catches, like SIGKILL."""


WRITES = [
    (EventStream, "take"),
    (UserActivityStore, "record_all"),
    (FeatureWriter, "__call__"),
    (Trending, "count"),
    (BehaviorLog, "append"),
]


@pytest.mark.parametrize(("where", "write"), WRITES, ids=[name for _, name in WRITES])
def test_a_worker_killed_between_two_writes_leaves_its_events_to_another(
    store: Settings, where: object, write: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, whole = Client(store), getattr(where, write)
    client.record(3, [7, 12], MORNING)
    client.record(4, [8], MORNING)

    def die_after(*words: object, **named: object) -> object:
        whole(*words, **named)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(where, write, die_after)
        mortal = Worker(store, "mortal")
        for _ in range(3):
            mortal.round(wait_ms=1)
    assert backlog(store) == 3
    drain(store, "successor", idle_ms=0)
    survived = state_of(store, [3, 4])
    assert (survived.top_category, survived.trending) == ([2, 3], [(7, 1), (8, 1), (12, 1)])
    assert survived.log == [
        (3, 7, -1, MORNING, "clicked"),
        (3, 12, -1, MORNING, "clicked"),
        (4, 8, -1, MORNING, "clicked"),
    ]
    assert backlog(store) == 0


def test_two_workers_share_the_events_and_the_end_is_that_of_one(store: Settings) -> None:
    rng, client = random.Random(1), Client(store)
    events = [(rng.randrange(1, 6), rng.randrange(60), MORNING + number) for number in range(1500)]
    for user, item, at in events:
        client.record(user, [item], at)
    drain(store)
    alone = state_of(store, [1, 2, 3, 4, 5])
    delete_events_and_effects(store)
    stop = threading.Event()
    EventStream.connect(store).open()
    workers = [Worker(store, name) for name in ("one", "two")]
    threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    sent = [entry for user, item, at in events for entry in client.record(user, [item], at)]
    assert client.events.wait(sent, 30)
    stop.set()
    for thread in threads:
        thread.join()
    together = state_of(store, [1, 2, 3, 4, 5])
    assert together == alone
    files = {file.stem for file in (store.home / "behavior").rglob("*.jsonl")}
    assert files >= {"one", "two"}


def test_of_two_workers_that_write_one_user_at_once_none_leaves_what_the_other_made_stale(
    store: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, whole = Client(store), FeatureWriter.__call__
    writes: list[tuple[Any, ...]] = []

    def interleaved(*words: Any) -> int:
        writes.append(words)
        # Between read and write of the first worker, the other applies more events and makes its own write. Then the
        # write of the first worker arrives, with a later time and the category without these events.
        if len(writes) == 1:
            client.record(3, [8, 13], MORNING - 10)
            drain(store, "other")
            assert top_category(store, 3) == 3
            written = whole(*words)
            assert top_category(store, 3) == 2
            return written
        return whole(*words)

    monkeypatch.setattr(FeatureWriter, "__call__", interleaved)
    client.record(3, [7], MORNING)
    drain(store, "one")
    assert len(writes) == 3
    assert top_category(store, 3) == 3


def test_events_wait_for_a_worker_and_need_no_feature_store(valkey: Settings, tmp_path: Path) -> None:
    bare = valkey.model_copy(update={"home": tmp_path})
    client = Client(bare)
    sent = client.record(3, [7], MORNING)
    assert (client.events.state().waiting, client.events.state().workers) == (1, 0)
    assert not client.events.wait(sent, 0.02)
    drain(bare)
    assert client.events.wait(sent, 1)
    assert seen(bare, 3, [7]) == [7]


def test_a_batch_of_events_is_a_trace(valkey: Settings, tmp_path: Path) -> None:
    bare = valkey.model_copy(update={"home": tmp_path})
    Client(bare).record(3, [7, 8], MORNING)
    with running_collector() as collector, tracing.traces(TRACED_AS, collector.endpoint, 1.0):
        drain(bare)
        tracing.stop()
    assert [(one.service, one.name, one.attributes) for one in collector.spans] == [
        ("rec-worker", "apply events", {"rec.events": 2})
    ]


def test_without_valkey_the_client_says_what_to_do() -> None:
    away = Client(Settings(valkey_port=free_port()))
    for call in (lambda: away.record(3, [7]), lambda: away.forget(3), lambda: away.trending()):
        with pytest.raises(ActionableError, match="rec up"):
            call()


def test_a_worker_shows_that_it_lives_while_valkey_is_away(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "new", valkey_port=free_port())
    stop = threading.Event()
    thread = threading.Thread(target=Worker(settings).run, args=(stop,))
    thread.start()
    try:
        sign = alive_file(settings)
        wait_until(sign.exists)
        os.utime(sign, (0, 0))
        wait_until(lambda: sign.stat().st_mtime)
    finally:
        stop.set()
        thread.join()
