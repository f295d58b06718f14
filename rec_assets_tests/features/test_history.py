from pathlib import Path

import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.history import LENGTH, PADDING_ID, InteractionLog, UserHistories, latest_events

# user, time, item
EVENTS = st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30), st.integers(1, 9)), max_size=60)


def log_of(events: list[tuple[int, int, int]]) -> InteractionLog:
    users, times, items = zip(*events, strict=True) if events else ([], [], [])
    return InteractionLog.of(users, times, items)


@given(EVENTS, st.integers(0, 4), st.integers(0, 31))
def test_a_history_has_the_events_strictly_before_newest_first(
    events: list[tuple[int, int, int]], user: int, now: int
) -> None:
    log = log_of(events)
    gathered = log.gather(log.slices([user], [now]))
    expected = sorted(((t, i) for u, t, i in events if u == user and t < now), reverse=True)[:LENGTH]
    assert gathered.item_ids[0].tolist() == [i for _, i in expected] + [PADDING_ID] * (LENGTH - len(expected))
    assert gathered.timestamps[0].tolist() == [t for t, _ in expected] + [0] * (LENGTH - len(expected))


def test_only_the_latest_events_are_kept_and_an_anonymous_user_has_none() -> None:
    log = InteractionLog.of(np.zeros(LENGTH + 5, np.int64), np.arange(1, LENGTH + 6), np.arange(1, LENGTH + 6))
    gathered = log.gather(log.slices([0, -1], [1_000, 1_000]))
    assert gathered.item_ids[0].tolist() == list(range(LENGTH + 5, 5, -1))
    assert not gathered.item_ids[1].any()


@given(EVENTS, st.integers(0, 31))
def test_before_gives_the_history_of_an_earlier_moment(events: list[tuple[int, int, int]], now: int) -> None:
    log = log_of(events)
    users = np.arange(5)
    everything = log.gather(log.slices(users, np.full(5, 100)))
    then = log.gather(log.slices(users, np.full(5, now)))
    kept = everything.before(np.full(5, now))
    assert kept.item_ids.tolist() == then.item_ids.tolist()
    assert kept.timestamps.tolist() == then.timestamps.tolist()


def test_hours_are_counted_to_the_request_and_padding_has_none() -> None:
    past = UserHistories.empty(1)
    past.item_ids[0, :2], past.timestamps[0, :2] = [5, 6], [7_200, 3_600]
    assert past.hours([10_800])[0, :3].tolist() == [1.0, 2.0, 0.0]


def test_a_log_reads_back_and_ends_where_it_is_cut(tmp_path: Path) -> None:
    log = InteractionLog.of([1, 1, 2], [10, 20, 15], [3, 4, 5])
    log.save(tmp_path / "log.npz")
    again = InteractionLog.load(tmp_path / "log.npz").until(20)
    assert again.user_ids.tolist() == [1, 2]
    assert again.timestamps.tolist() == [10, 15]


def test_the_latest_events_of_each_user_are_those_of_the_log() -> None:
    events = [(1, 10, 3), (1, 10, 4), (1, 30, 3), (2, 5, 9)]
    frame = pl.DataFrame(events, ["user_id", "timestamp", "item_id"], orient="row")
    latest = latest_events(frame.lazy(), 2).collect()
    assert sorted(latest.select("user_id", "timestamp", "item_id").rows()) == [(1, 10, 4), (1, 30, 3), (2, 5, 9)]


@given(EVENTS, st.sets(st.integers(0, 5)))
def test_the_log_of_some_users_holds_exactly_their_interactions(
    events: list[tuple[int, int, int]], users: set[int]
) -> None:
    part = log_of(events).of_users(np.array(sorted(users), np.int64))
    expected = log_of([event for event in events if event[0] in users])
    assert part.keys.tolist() == expected.keys.tolist() and part.item_ids.tolist() == expected.item_ids.tolist()


def test_the_order_of_requests_changes_no_history() -> None:
    random = np.random.default_rng(5)
    log = InteractionLog.of(random.integers(0, 9, 200), random.integers(1, 50, 200), random.integers(1, 9, 200))
    users, times = random.integers(-1, 11, 60), random.integers(0, 60, 60)
    alone = [log.slices([user], [time])[0] for user, time in zip(users, times, strict=True)]
    np.testing.assert_array_equal(log.slices(users, times), alone)
