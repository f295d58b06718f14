"""Tests requests and events while a real cluster changes: a node dies, and a slot moves to another node."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event as Flag
from threading import Thread

import pytest
import redis

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.realtime.events import Event
from rec_assets.realtime.stores.user_activity import UserActivityStore
from rec_assets.realtime.stream import EventStream
from rec_assets.serving.runner import load_stages, run
from rec_assets.serving.stages import Stage
from rec_assets.storage.valkey.keys import recent_items
from rec_assets_tests.realtime.conftest import MORNING
from rec_assets_tests.valkey_cluster import SLOTS, Node, ValkeyCluster, running_cluster
from rec_assets_tests.waiting import wait_until

USERS = list(range(1, 41))


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ValkeyCluster]:
    """A cluster in which each user has one item, and each node has a copy with the same data."""
    with running_cluster(tmp_path, copied=True) as started:
        activity = UserActivityStore.connect(started.settings)
        for user in USERS:
            activity.record(user, [user % 20 + 3], MORNING)
        for node in started.nodes:
            assert node.client.wait(1, 10_000) == 1
        yield started


@pytest.fixture
def stages(tiny_bundle: Bundle, cluster: ValkeyCluster) -> dict[str, Stage]:
    return load_stages(tiny_bundle, cluster.settings)


def lists(stages: dict[str, Stage]) -> list[int]:
    answer = run(stages, {"user_id": USERS, "timestamp": [MORNING + 60] * len(USERS)})
    return list(map(int, answer["ordered_ids"]))


def slot_of(cluster: ValkeyCluster, key: str) -> int:
    return int(cluster.nodes[0].ask("CLUSTER", "KEYSLOT", key))


def holder(cluster: ValkeyCluster, slot: int) -> Node:
    return next(node for node, slots in zip(cluster.nodes, SLOTS, strict=True) if slot in slots)


@pytest.mark.slow
def test_after_a_node_died_its_copy_answers_and_no_request_failed(
    cluster: ValkeyCluster, stages: dict[str, Stage]
) -> None:
    before, events = lists(stages), EventStream.connect(cluster.settings)
    dead = holder(cluster, slot_of(cluster, recent_items(7)))
    dead.process.kill()
    during = lists(stages)  # users of the other nodes may miss their history, too, but everybody has a list
    assert len(during) >= len(before)
    wait_until(lambda: lists(stages) == before)
    wait_until(lambda: events.send([Event(user_id=7, item_id=10, at=MORNING)]), ignore=ActionableError)
    activity = UserActivityStore.connect(cluster.settings)
    activity.record(7, [11], MORNING + 1)
    assert activity.recent_items.latest(7)[0] == (11, MORNING + 1)


@pytest.mark.slow
def test_a_slot_moves_to_another_node_while_requests_read_it(cluster: ValkeyCluster, stages: dict[str, Stage]) -> None:
    before, slot = lists(stages), slot_of(cluster, recent_items(7))
    source = holder(cluster, slot)
    target = next(node for node in cluster.nodes if node is not source)
    seen: list[list[int]] = []
    stop = Flag()

    def ask() -> None:
        while not stop.is_set():
            seen.append(lists(stages))

    def wait_for_answers(count: int) -> None:
        wanted = len(seen) + count
        wait_until(lambda: len(seen) >= wanted)

    asking = Thread(target=ask)
    asking.start()
    wait_for_answers(2)
    target.ask("CLUSTER", "SETSLOT", slot, "IMPORTING", source.id)
    source.ask("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
    while keys := source.ask("CLUSTER", "GETKEYSINSLOT", slot, 1):
        source.ask("MIGRATE", "127.0.0.1", target.port, keys[0], 0, 5_000)
        wait_for_answers(2)
    for node in (target, source):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", target.id)
    wait_for_answers(2)
    stop.set()
    asking.join()
    assert all(one == before for one in seen)
    with pytest.raises(redis.ResponseError, match="MOVED"):
        source.client.exists(recent_items(7))
    assert UserActivityStore.connect(cluster.settings).recent_items.latest(7) == [(10, MORNING)]
