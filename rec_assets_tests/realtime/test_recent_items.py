from collections.abc import Iterator

import numpy as np
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rec_assets.common.errors import ActionableError
from rec_assets.features.history import LENGTH, InteractionLog
from rec_assets.realtime.recent_items import RecentItems
from rec_assets.settings import Settings
from rec_assets.storage.valkey import Valkey, connect
from rec_assets_tests.servers import free_port

NOON = 1_741_608_000
# Few users, items and seconds, so that interactions repeat and share a second.
INTERACTIONS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4), st.integers(NOON, NOON + 60)), max_size=40)
SHORT = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def client(valkey: Settings) -> Iterator[Valkey]:
    with connect(valkey) as client:
        yield client


def add_all(client: Valkey, interactions: list[tuple[int, int, int]]) -> None:
    users, items, times = np.array(interactions, np.int64).reshape(-1, 3).T
    RecentItems(client).add_all(users, items, times)


def newest_first(interactions: list[tuple[int, int, int]], user: int) -> list[tuple[int, int]]:
    mine = sorted({(at, item) for who, item, at in interactions if who == user}, reverse=True)
    return [(item, at) for at, item in mine[:LENGTH]]


@SHORT
@given(INTERACTIONS)
def test_interactions_come_newest_first_each_once_in_whatever_order_and_however_often_they_are_added(
    client: Valkey, interactions: list[tuple[int, int, int]]
) -> None:
    client.flushdb()
    recent_items = RecentItems(client)
    for user, item, at in interactions:
        recent_items.add(user, [item], at)
    add_all(client, interactions[::-1])
    for user in (1, 2, 3):
        assert recent_items.latest(user) == newest_first(interactions, user)
        assert recent_items.latest(user, 2) == newest_first(interactions, user)[:2]


@SHORT
@given(INTERACTIONS, st.lists(st.integers(-1, 4), min_size=1, max_size=6))
def test_one_read_for_many_users_gives_each_their_own_padded(
    client: Valkey, interactions: list[tuple[int, int, int]], users: list[int]
) -> None:
    client.flushdb()
    add_all(client, interactions)
    items, times = RecentItems(client).histories(np.array(users, np.int32))
    assert (items.dtype, times.dtype) == (np.dtype(np.int32), np.dtype(np.int64))
    assert items.shape == times.shape == (len(users), LENGTH)
    for user, mine, at in zip(users, items.tolist(), times.tolist(), strict=True):
        history = newest_first(interactions, user)
        padding = LENGTH - len(history)
        assert mine == [item for item, _ in history] + [-1] * padding
        assert at == [when for _, when in history] + [0] * padding


def test_the_order_is_that_of_the_log_that_training_reads(client: Valkey) -> None:
    rng = np.random.default_rng(0)
    # Item ids of one to nine digits, several per second.
    items = np.unique(10 ** rng.integers(0, 9, 150) + rng.integers(0, 9, 150))
    times = NOON + rng.integers(0, 5, len(items))
    users = np.full(len(items), 7)
    RecentItems(client).add_all(users, items, times)
    log = InteractionLog.of(users, times, items)
    histories = log.gather(log.slices([7], [NOON + 60]))
    read, at = RecentItems(client).histories(np.array([7], np.int32))
    np.testing.assert_array_equal(np.where(read == -1, 0, read), histories.item_ids)
    np.testing.assert_array_equal(at, histories.timestamps)


def test_a_repeated_interaction_with_an_item_is_another_entry(client: Valkey) -> None:
    RecentItems(client).add(7, [10], NOON)
    RecentItems(client).add(7, [10], NOON + 60)
    assert RecentItems(client).latest(7) == [(10, NOON + 60), (10, NOON)]


@pytest.mark.parametrize("at_once", [True, False])
def test_the_latest_stay_and_what_is_older_goes(client: Valkey, at_once: bool) -> None:
    interactions = [(7, number, NOON + number) for number in range(LENGTH + 20)]
    if at_once:
        add_all(client, interactions)
    else:
        for _, item, at in interactions:
            RecentItems(client).add(7, [item], at)
    assert RecentItems(client).latest(7) == newest_first(interactions, 7)
    assert client.zcard("user:{7}:recent_items") == LENGTH
    RecentItems(client).add(7, [999], NOON - 1)
    assert RecentItems(client).latest(7) == newest_first(interactions, 7)


def test_many_users_are_written_whole(client: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecentItems, "USERS_AT_ONCE", 3)
    interactions = [(user, item, NOON + item) for item in range(4) for user in range(10)]
    add_all(client, interactions)
    items, _ = RecentItems(client).histories(np.arange(11, dtype=np.int32))
    assert items[:, :5].tolist() == [[3, 2, 1, 0, -1]] * 10 + [[-1] * 5]


def test_what_is_there_stays_when_more_is_written(client: Valkey) -> None:
    RecentItems(client).add(7, [10], NOON)
    add_all(client, [(7, 13, NOON - 60), (8, 13, NOON)])
    assert RecentItems(client).latest(7) == [(10, NOON), (13, NOON - 60)]


def test_a_full_history_stays_compact(client: Valkey) -> None:
    add_all(client, [(7, number, NOON + number) for number in range(LENGTH)])
    assert client.object("encoding", "user:{7}:recent_items") == b"listpack"


def test_a_server_that_is_away_is_named_with_what_to_do() -> None:
    with connect(Settings(valkey_port=free_port())) as away:
        with pytest.raises(ActionableError, match="rec up"):
            add_all(away, [(1, 10, NOON)])
        with pytest.raises(redis.ConnectionError):
            RecentItems(away).histories(np.array([1], np.int32))
