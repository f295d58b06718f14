from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.history import LENGTH, Ids, Times
from rec_assets.serving.graph.request import sessions
from rec_assets.serving.stages.session import top_categories, with_session

DAY = 86_400
PAIRS = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 8)), max_size=12)


def padded(histories: list[list[tuple[int, int]]]) -> tuple[Ids, Times]:
    items, times = np.full((len(histories), LENGTH), -1, np.int32), np.zeros((len(histories), LENGTH), np.int64)
    for row, history in enumerate(histories):
        for place, (item, at) in enumerate(history):
            items[row, place], times[row, place] = item, at
    return items, times


def newest_first(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return sorted(set(pairs), key=lambda pair: (-pair[1], -pair[0]))


@given(st.lists(st.tuples(PAIRS, PAIRS), min_size=1, max_size=4))
def test_a_session_joins_the_history_newest_first_and_an_interaction_of_both_counts_once(
    users: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]],
) -> None:
    items, times = padded([newest_first(stored) for stored, _ in users])
    recent = np.concatenate([sessions(np.array([session]).reshape(1, -1, 2), 1) for _, session in users])
    made_items, made_times = with_session(items, times, recent)
    assert made_items.shape == made_times.shape == (len(users), LENGTH)
    for row, (stored, session) in enumerate(users):
        mask = made_items[row] >= 0
        made = list(zip(made_items[row][mask].tolist(), made_times[row][mask].tolist(), strict=True))
        assert made == newest_first(stored + session)
        assert not made_times[row][~mask].any()


def test_the_oldest_items_of_a_full_history_make_room_for_the_session() -> None:
    items, times = padded([[(item, 1000 - item) for item in range(LENGTH)]])
    made_items, made_times = with_session(items, times, sessions([[(7, 2000), (8, 1)]], 1))
    assert made_items[0].tolist() == [7, *range(LENGTH - 1)]
    assert made_times[0, 0] == 2000


EVENTS = st.lists(st.tuples(st.integers(-1, 3), st.integers(-3, 3)), min_size=1, max_size=8)


@given(EVENTS)
def test_the_top_category_is_the_most_frequent_one_of_the_day_and_the_latest_wins_a_tie(
    events: list[tuple[int, int]],
) -> None:
    now = 10 * DAY
    # Times around both ends of the window: the last 24 hours, strictly before the request.
    pairs = [(category, now + step if step >= -1 else now - DAY + step + 2) for category, step in events]
    inside = [(at, category) for category, at in pairs if now - DAY <= at < now and category >= 0]
    counts = Counter(category for _, category in inside)
    most = max(counts.values(), default=0)
    expected = max(((at, category) for at, category in inside if counts[category] == most), default=(0, -1))[1]
    categories, times = np.array(pairs, np.int32).T
    assert top_categories(categories[None], times[None], np.array([now], np.int32)).tolist() == [expected]
