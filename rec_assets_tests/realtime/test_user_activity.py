import math

import numpy as np
import polars as pl
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rec_assets.common.errors import ActionableError
from rec_assets.common.units import DAY_SECONDS
from rec_assets.realtime.recent_items import RecentItems
from rec_assets.realtime.seen_items import SeenItems
from rec_assets.realtime.user_activity import UserActivityStore
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect, connect_for_requests
from rec_assets_tests.servers import free_port

NOON = 1_741_608_000


def seen(history: UserActivityStore, user: int, items: list[int]) -> list[bool]:
    splits = np.array([0, len(items)], np.int64)
    return history.seen_items.contain(np.array([user]), np.array(items), splits).tolist()


def test_recorded_items_are_seen_by_that_user_alone(valkey: Settings) -> None:
    history = UserActivityStore.connect(valkey)
    history.record(7, [10, 13], NOON)
    assert seen(history, 7, [10, 11, 13]) == [True, False, True]
    assert seen(history, 8, [10, 11, 13]) == [False, False, False]


@pytest.mark.parametrize(
    ("policy", "filtered"), [("clicked", [True, True]), ("bought", [False, True]), ("nothing", [False, False])]
)
def test_the_policy_says_what_is_filtered_and_everything_is_history(
    valkey: Settings, policy: str, filtered: list[bool]
) -> None:
    history = UserActivityStore.connect(valkey.model_copy(update={"seen_filter": policy}))
    history.record(7, [10], NOON, "clicked")
    history.record(7, [13], NOON, "bought")
    assert seen(history, 7, [10, 13]) == filtered
    assert history.recent_items.latest(7) == [(13, NOON), (10, NOON)]


def test_groceries_are_never_filtered_unless_someone_says_so() -> None:
    assert Settings(source="retail").seen_filter == Settings(source="files").seen_filter == "clicked"
    assert Settings(source="completejourney").seen_filter == "nothing"
    assert Settings(source="completejourney", seen_filter="bought").seen_filter == "bought"


def test_to_forget_lifts_the_filter_of_one_user_and_leaves_their_history(valkey: Settings) -> None:
    history = UserActivityStore.connect(valkey)
    history.record(7, [10], NOON)
    history.record(8, [10], NOON)
    history.forget(7, "1-0", NOON)
    assert seen(history, 7, [10]) == [False]
    assert history.recent_items.latest(7) == [(10, NOON)]
    assert seen(history, 8, [10]) == [True]


@pytest.mark.parametrize("days", [1, 7])
def test_a_filter_lives_some_days_from_the_last_addition(valkey: Settings, days: int) -> None:
    history = UserActivityStore.connect(valkey.model_copy(update={"seen_days": days}))
    client = redis.Redis(valkey.host, valkey.valkey_port)
    history.record(7, [10], NOON)
    client.expire("user:{7}:seen", 5)
    history.record(7, [13], NOON)
    assert client.ttl("user:{7}:seen") == days * 24 * 60 * 60
    assert seen(history, 7, [10, 13]) == [True, True]


def test_a_filter_grows_beyond_its_capacity_with_few_mistakes(valkey: Settings) -> None:
    history = UserActivityStore.connect(valkey)
    history.record(7, range(3000), NOON)
    assert all(seen(history, 7, list(range(3000))))
    assert sum(seen(history, 7, list(range(10_000, 15_000)))) <= 25


def test_recording_again_changes_nothing(valkey: Settings) -> None:
    history = UserActivityStore.connect(valkey)
    history.record(7, [10, 13], NOON)
    history.record(7, [10, 13], NOON)
    assert history.recent_items.latest(7) == [(13, NOON), (10, NOON)]


def test_recording_nothing_is_fine(valkey: Settings) -> None:
    history = UserActivityStore.connect(valkey)
    history.record(7, [], NOON)
    assert seen(history, 7, [10]) == [False]
    assert history.recent_items.latest(7) == []


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    recorded=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 30)), max_size=30),
    requested=st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=5),
)
def test_one_query_for_many_users_finds_what_each_has_seen(
    valkey: Settings, recorded: list[tuple[int, int]], requested: list[list[int]]
) -> None:
    history = UserActivityStore.connect(valkey)
    for user in range(1, 6):
        history.forget(user, "1-0", NOON)
    for user, item in recorded:
        history.record(user, [item], NOON)
    users = np.arange(1, len(requested) + 1)
    items = np.array([item for row in requested for item in row], np.int32)
    splits = np.concatenate([[0], np.cumsum([len(row) for row in requested])]).astype(np.int64)
    answers = history.seen_items.contain(users, items, splits)
    assert len(answers) == len(items)
    for user, start, end in zip(users, splits[:-1], splits[1:], strict=True):
        for item, answer in zip(items[start:end], answers[start:end], strict=True):
            assert answer or (user, item) not in recorded


def test_a_server_that_is_away_is_named_with_what_to_do() -> None:
    away = Settings(valkey_port=free_port())
    with pytest.raises(ActionableError, match=f"127.0.0.1:{away.valkey_port}.*\n.*rec up"):
        UserActivityStore.connect(away).record(7, [10], NOON)


def test_request_clients_raise_at_once_when_the_server_is_away() -> None:
    client = connect_for_requests(Settings(valkey_port=free_port()))
    with pytest.raises(redis.ConnectionError):
        SeenItems(client).contain(np.array([7]), np.array([10]), np.array([0, 1]))


@pytest.mark.parametrize(
    ("policy", "filters"), [("clicked", True), ("bought", True), ("marked", True), ("nothing", False)]
)
def test_rows_that_only_filter_join_the_filter_and_not_the_history(
    valkey: Settings, policy: str, filters: bool
) -> None:
    history = UserActivityStore.connect(valkey.model_copy(update={"seen_filter": policy, "seen_days": 2}))
    rows = [(7, 10, NOON), (7, 11, NOON - DAY_SECONDS), (8, 12, NOON - 3 * DAY_SECONDS)]
    history.mark_seen(pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row"), NOON + 60)
    assert seen(history, 7, [10, 11, 12]) == [filters, filters, False]
    assert seen(history, 8, [12]) == [False]  # its two days are over
    assert history.recent_items.latest(7) == []
    history.record(8, [13], NOON, "clicked")
    assert seen(history, 8, [13]) == [policy == "clicked"]


def test_the_filter_of_rows_lives_from_their_last_one_and_never_shortens_a_longer_life(valkey: Settings) -> None:
    history, client = UserActivityStore.connect(valkey), connect_for_requests(valkey)
    rows = pl.DataFrame({"user_id": [7], "item_id": [10], "timestamp": [NOON]})
    history.mark_seen(rows, NOON + DAY_SECONDS)
    assert 5 * DAY_SECONDS < client.ttl(SeenItems.key(7)) <= 6 * DAY_SECONDS
    history.record(7, [11], NOON)
    history.mark_seen(rows, NOON + 3 * DAY_SECONDS)
    assert client.ttl(SeenItems.key(7)) > 6 * DAY_SECONDS


def test_rows_before_a_forget_request_do_not_come_back(valkey: Settings) -> None:
    history = UserActivityStore.connect(valkey)
    history.forget(7, "1-0", NOON)
    rows = pl.DataFrame({"user_id": [7, 7], "item_id": [10, 11], "timestamp": [NOON, NOON + 1]})
    history.mark_seen(rows, NOON + 60)
    assert seen(history, 7, [10, 11]) == [False, True]


@pytest.mark.parametrize("days", [0, 30])
def test_a_history_ends_some_days_after_its_last_interaction_or_never(valkey: Settings, days: int) -> None:
    settings = valkey.model_copy(update={"history_days": days})
    UserActivityStore.connect(settings).record(7, [10], NOON)
    history = RecentItems(connect(settings), days)
    history.add_all(np.array([8]), np.array([10]), np.array([NOON]))
    ends = [connect(settings).ttl(RecentItems.key(user)) for user in (7, 8)]
    assert [math.ceil(seconds / 86_400) for seconds in ends] == ([days] * 2 if days else [0, 0])
