"""Events and forget requests change the whole state, in a real Valkey and a real feature store."""

import random
import time

import pytest

from rec_assets.features.history import LENGTH
from rec_assets.realtime.behavior_log import BehaviorLog
from rec_assets.realtime.recent_items import RecentItems
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.trending import Trending
from rec_assets.serving.client import Client
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect
from rec_assets_tests.realtime.conftest import CATEGORIES, MORNING
from rec_assets_tests.realtime.state import backlog, delete_events_and_effects, drain, seen, state_of, top_category

DAY = 24 * 3600


def recent(settings: Settings, user: int) -> list[tuple[int, int]]:
    return RecentItems(connect(settings)).latest(user)


def test_an_event_changes_history_filter_feature_popularity_and_log(store: Settings) -> None:
    Client(store).record(3, [7, 12], MORNING, device_type="mobile")
    assert drain(store) == 2
    assert recent(store, 3) == [(12, MORNING), (7, MORNING)]
    assert seen(store, 3, [5, 7, 12]) == [7, 12]
    assert top_category(store, 3) == 2
    assert sorted(Trending.connect(store).top(5)) == [(7, 1), (12, 1)]
    assert Trending.connect(store).top(5, category_l1=2) == Trending.connect(store).top(5)
    assert Trending.connect(store).top(5, category_l2=7) == [(7, 1)]
    log = BehaviorLog.of(store)
    assert log.days() == ["2025-03-15"]
    assert log.read("2025-03-15").rows() == [(3, 7, 0, MORNING, "clicked", -1), (3, 12, 0, MORNING, "clicked", -1)]
    assert backlog(store) == 0


def test_the_rest_of_a_users_features_stays(store: Settings) -> None:
    before = state_of(store, [3, 7])
    assert before.ages == [23.0, -1.0]
    for user in (3, 7):
        Client(store).record(user, [6], MORNING)
    drain(store)
    after = state_of(store, [3, 7])
    assert (after.ages, after.top_category) == (before.ages, [1, 1])


def test_several_changes_within_a_second_all_reach_the_feature_store(store: Settings) -> None:
    client = Client(store)
    for items, expected in ([1], 1), ([2, 7], 2), ([6, 11, 16], 1), ([3, 8, 13, 18, 23], 3):
        client.record(3, items, MORNING)
        drain(store)
        assert top_category(store, 3) == expected


def test_what_is_not_in_the_catalog_is_history_without_a_category(store: Settings) -> None:
    Client(store).record(3, [999_999, 4], MORNING)
    drain(store)
    assert seen(store, 3, [999_999]) == [999_999]
    assert recent(store, 3) == [(999_999, MORNING), (4, MORNING)]
    assert top_category(store, 3) == 4
    assert Trending.connect(store).top(5) == [(4, 1)]


def test_an_unknown_user_gets_a_new_row(store: Settings) -> None:
    Client(store).record(123_456, [4, 9], MORNING)
    drain(store)
    state = state_of(store, [123_456])
    assert (state.top_category, state.ages) == ([4], [-1.0])


def test_duplicates_change_nothing(store: Settings) -> None:
    client = Client(store)
    client.record(3, [7], MORNING)
    drain(store)
    once = state_of(store, [3])
    for _ in range(5):
        client.record(3, [7], MORNING)
    client.record(3, [7, 7], MORNING)
    assert drain(store) == 7
    assert state_of(store, [3]) == once


def test_in_whatever_order_events_come_the_end_is_the_same(store: Settings) -> None:
    rng, client = random.Random(0), Client(store)
    events = [(user, rng.randrange(60), MORNING + rng.randrange(-2 * DAY, DAY)) for user in (1, 2) for _ in range(60)]
    states = []
    for attempt in range(3):
        delete_events_and_effects(store)
        rng.shuffle(events)
        for user, item, at in events:
            client.record(user, [item], at)
            if rng.random() < 0.1:
                drain(store, f"worker {attempt}")
        drain(store, f"worker {attempt}")
        states.append(state_of(store, [1, 2]))
    assert states[0] == states[1] == states[2]


def test_events_that_come_a_day_late_take_their_place_and_change_no_taste_of_today(store: Settings) -> None:
    client = Client(store)
    client.record(3, [1], MORNING)
    client.record(3, [2, 7, 12], MORNING - DAY - 1)
    drain(store)
    assert top_category(store, 3) == 1
    assert recent(store, 3)[0] == (1, MORNING)
    assert seen(store, 3, [1, 2, 7, 12]) == [1, 2, 7, 12]
    assert BehaviorLog.of(store).days() == ["2025-03-14", "2025-03-15"]
    client.record(3, [7, 12], MORNING - DAY + 1)
    drain(store)
    assert top_category(store, 3) == 2


def test_a_clock_that_is_ahead_does_not_hide_what_was_done(store: Settings) -> None:
    before = int(time.time())
    Client(store).record(3, [7], before + 5 * DAY)
    drain(store)
    ((item, at),) = recent(store, 3)
    assert item == 7 and before <= at <= time.time()


def test_a_user_with_ten_thousand_events_is_like_any_other(store: Settings) -> None:
    client = Client(store)
    for start in range(0, 10_000, 1000):
        for number in range(start, start + 1000):
            client.record(3, [number % 60], MORNING + number)
    assert drain(store) == 10_000
    assert len(recent(store, 3)) == LENGTH
    assert recent(store, 3)[0] == (9_999 % 60, MORNING + 9_999)
    assert seen(store, 3, list(range(60))) == list(range(60))
    assert top_category(store, 3) == 9_999 % CATEGORIES
    assert sum(count for _, count in Trending.connect(store).top(100)) == pytest.approx(10_000, rel=0.005)
    assert sum(BehaviorLog.of(store).read(day).height for day in BehaviorLog.of(store).days()) == 10_000


def test_a_forget_request_resets_seen_items_and_top_category_and_keeps_the_history(store: Settings) -> None:
    client = Client(store)
    client.record(3, [7, 12], MORNING)
    client.record(4, [7], MORNING)
    drain(store)
    client.forget(3)
    drain(store)
    assert seen(store, 3, [7, 12]) == []
    assert top_category(store, 3) == -1
    assert [item for item, _ in recent(store, 3)] == [12, 7]
    assert (seen(store, 4, [7]), top_category(store, 4)) == ([7], 2)
    client.record(3, [3], MORNING + 60)
    drain(store)
    assert seen(store, 3, [3, 7, 12]) == [3]
    assert top_category(store, 3) == 3


def test_events_before_a_forget_request_are_forgotten_even_if_they_are_applied_after_it(store: Settings) -> None:
    client, stream = Client(store), EventStream.connect(store)
    client.record(3, [7, 12], MORNING)
    stream.open()
    late = stream.take("slow worker", 2, 1)
    client.forget(3)
    client.record(3, [8], MORNING + 60)
    drain(store)
    assert seen(store, 3, [7, 8, 12]) == [8]
    assert drain(store, "another", idle_ms=0) == len(late)
    assert seen(store, 3, [7, 8, 12]) == [8]
    assert top_category(store, 3) == 3
    assert [item for item, _ in recent(store, 3)] == [8, 12, 7]


def test_events_after_a_forget_request_stay_even_if_the_request_is_applied_last(store: Settings) -> None:
    client, stream = Client(store), EventStream.connect(store)
    client.record(3, [7], MORNING)
    drain(store)
    client.forget(3)
    stream.take("dead worker", 1, 1)
    client.record(3, [8], MORNING + 60)
    drain(store)
    assert seen(store, 3, [7, 8]) == [7, 8]
    assert drain(store, "another", idle_ms=0) == 1
    assert seen(store, 3, [7, 8]) == [8]
    assert top_category(store, 3) == 3
