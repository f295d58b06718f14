"""Repeats the most telling tests of the online stores on a real cluster of three Valkeys, and tests it end to end."""

# ruff: noqa: F401 - pytest collects imported tests, and imported fixtures are arguments
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import redis

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.realtime.events import Event
from rec_assets.realtime.stores.user_activity import UserActivityStore
from rec_assets.realtime.stream import EventStream
from rec_assets.serving.client import Client
from rec_assets.serving.runner import load_stages, run
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect, nodes_of
from rec_assets.storage.valkey.keys import EVENTS, recent_items
from rec_assets.storage.valkey.round_trip import key_of, packed
from rec_assets_tests.features.test_online import (
    files,
    filled,
    test_the_feature_writer_leaves_the_bytes_of_feast,
    test_the_online_reader_returns_the_rows_of_feast,
)
from rec_assets_tests.features.test_write_day import (
    test_a_rebuilt_day_adds_only_missing_rows,
    test_only_changed_rows_are_written,
    test_two_days_are_not_written_at_once,
    written,
)
from rec_assets_tests.realtime.conftest import MORNING
from rec_assets_tests.realtime.state import drain, top_category
from rec_assets_tests.realtime.test_apply_events import (
    test_an_event_changes_history_filter_feature_popularity_and_log,
    test_duplicates_change_nothing,
    test_events_after_a_forget_request_stay_even_if_the_request_is_applied_last,
    test_events_before_a_forget_request_are_forgotten_even_if_they_are_applied_after_it,
)
from rec_assets_tests.realtime.test_stream import (
    stream,
    test_a_dead_letter_can_be_read_with_its_reason,
    test_only_the_silent_lose_what_they_took,
    test_trimming_drops_nothing_that_was_not_applied,
    test_what_is_sent_is_taken_once_and_stays_its_takers_until_it_is_done,
)
from rec_assets_tests.realtime.test_trending import (
    test_an_event_counts_at_once_and_only_once,
    test_replacing_leaves_nothing_of_the_day_before,
    test_the_batch_replaces_the_online_counts_of_its_days_and_keeps_later_ones,
    test_unavailable_items_are_left_out_and_others_move_up,
)
from rec_assets_tests.realtime.test_user_activity import (
    test_rows_before_a_forget_request_do_not_come_back,
    test_to_forget_lifts_the_filter_of_one_user_and_leaves_their_history,
)
from rec_assets_tests.realtime.test_worker import test_two_workers_share_the_events_and_the_end_is_that_of_one
from rec_assets_tests.servers import free_port
from rec_assets_tests.serving.test_runner import test_seen_items_are_not_in_the_users_list


@pytest.fixture
def valkey(valkey_cluster: Settings) -> Settings:
    """Replaces the one Valkey of the imported tests."""
    return valkey_cluster


def test_events_change_the_next_list(store: Settings, tiny_bundle: Bundle) -> None:
    stages, client, users = load_stages(tiny_bundle, store), Client(store), list(range(1, 21))
    request = {"user_id": users, "timestamp": [MORNING + 60] * len(users)}
    before = run(stages, request)
    clicked = before["ordered_ids"].reshape(len(users), -1)[:, :3].tolist()
    for user, items in zip(users, clicked, strict=True):
        client.record(user, items, at=MORNING)
    assert drain(store) == 3 * len(users)
    after = run(stages, request)
    lists = after["ordered_ids"].reshape(len(users), -1).tolist()
    assert not any(set(items) & set(shown) for items, shown in zip(clicked, lists, strict=True))
    for name in ("ordered_ids", "ordered_scores"):  # of the same items, the scores differ, too
        assert after[name].shape == (len(users) * (before[name].shape[0] // len(users) - 3),)
    scores = [dict(zip(one["ordered_ids"], one["ordered_scores"], strict=True)) for one in (before, after)]
    assert scores[0] != scores[1]
    assert {top_category(store, user) for user in users} != {-1}
    assert sum(count for _, count in client.trending(100)) > 0
    assert all(node.dbsize() > len(users) for node in nodes_of(connect(store)))


def forget_where_it_is(settings: Settings, key: str) -> None:
    """Lets this process look for a key on a node that does not have it, as after a slot was moved."""
    cluster = cast(Any, connect(settings)).cluster
    slot, nodes = cluster.keyslot(key), cluster.nodes_manager
    other = next(node for node in cluster.get_primaries() if node is not nodes.get_node_from_slot(slot))
    nodes.slots_cache[slot] = [other]


def test_a_transaction_finds_a_slot_that_has_moved_at_the_next_attempt(valkey: Settings) -> None:
    events, event = EventStream.connect(valkey), Event(user_id=7, item_id=10, at=MORNING)
    forget_where_it_is(valkey, EVENTS)
    with pytest.raises(ActionableError, match=r"does not answer.*has moved"):
        events.send([event])
    assert len(events.send([event])) == 1
    assert events.state().waiting == 1


def test_a_read_follows_a_slot_that_has_moved(valkey: Settings) -> None:
    activity, users = UserActivityStore.connect(valkey), np.arange(5, 15, dtype=np.int32)
    for user in users.tolist():
        activity.record(user, [user], MORNING)
    forget_where_it_is(valkey, recent_items(7))
    items, _ = activity.recent_items.histories(users)
    assert items[:, 0].tolist() == users.tolist()


@pytest.mark.parametrize("key", [b"user:{7}:seen", b"a\r\n$1\r\nb", b""])
def test_the_key_of_a_packed_command_is_its_second_word(key: bytes) -> None:
    assert key_of(packed(b"BF.MEXISTS", key, numbers=[1, 22])) == key


def test_without_the_cluster_a_list_is_that_of_an_anonymous_user(tiny_bundle: Bundle, tmp_path: Path) -> None:
    away = Settings(home=tmp_path, valkey_cluster=True, valkey_port=free_port())
    answers = [run(load_stages(tiny_bundle, away), {"user_id": [user], "timestamp": [MORNING]}) for user in (5, -1)]
    assert answers[0]["ordered_ids"].tolist() == answers[1]["ordered_ids"].tolist()
    with pytest.raises(ActionableError, match=f"127.0.0.1:{away.valkey_port}.*\n.*rec up"):
        UserActivityStore.connect(away).record(5, [10], MORNING)
