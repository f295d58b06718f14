import polars as pl
import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.features.store.unavailable import UnavailableItems
from rec_assets.realtime.events import Event
from rec_assets.realtime.stores.trending import Counted, Trending
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets_tests.servers import free_port


def popularity(rows: list[tuple[int, int, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=["item_id", "category_l1", "category_l2", "interactions"], orient="row")


MONDAY = popularity([(1, 0, 5, 30), (2, 0, 6, 20), (3, 1, 7, 40), (4, 1, 7, 0)])


def test_items_come_by_count_overall_and_within_categories(valkey: Settings) -> None:
    trending = Trending.connect(valkey)
    trending.replace(MONDAY)
    assert trending.top(10) == [(3, 40), (1, 30), (2, 20)]
    assert trending.top(1) == [(3, 40)]
    assert trending.top(10, category_l1=0) == [(1, 30), (2, 20)]
    assert trending.top(10, category_l2=6) == [(2, 20)]
    assert trending.top(10, category_l1=9) == []


def test_replacing_leaves_nothing_of_the_day_before(valkey: Settings) -> None:
    trending = Trending.connect(valkey)
    trending.replace(MONDAY)
    trending.replace(popularity([(2, 0, 6, 5)]))
    assert trending.top(10) == [(2, 5)]
    assert trending.top(10, category_l1=1) == []
    names = [key.decode().partition("}:")[2] for key in connect(valkey).scan_iter()]
    assert sorted(names) == ["cat_l1:0", "cat_l2:6", "global", "names"]


def test_replacing_twice_is_replacing_once(valkey: Settings) -> None:
    trending = Trending.connect(valkey)
    trending.replace(MONDAY)
    trending.replace(MONDAY)
    assert trending.top(10) == [(3, 40), (1, 30), (2, 20)]


def test_a_day_without_interactions_empties_it(valkey: Settings) -> None:
    trending = Trending.connect(valkey)
    trending.replace(MONDAY)
    trending.replace(MONDAY.clear())
    assert trending.top(10) == []


def test_unavailable_items_are_left_out_and_others_move_up(valkey: Settings) -> None:
    trending = Trending.connect(valkey)
    trending.replace(popularity([(item, 0, 0, 1000 - item) for item in range(300)]))
    hidden = [0, *range(2, 250)]
    UnavailableItems(connect(valkey)).replace(hidden)
    assert [item for item, _ in trending.top(3)] == [1, 250, 251]
    assert [item for item, _ in trending.top(500, category_l1=0)] == [1, *range(250, 300)]


def test_a_server_that_is_away_is_named_with_what_to_do() -> None:
    trending = Trending.connect(Settings(valkey_port=free_port()))
    for call in (lambda: trending.top(3), lambda: trending.replace(MONDAY)):
        with pytest.raises(ActionableError, match="rec up"):
            call()


def counted(day: int, user: int, item: int, category: int = 0) -> Counted:
    event = Event(user_id=user, item_id=item, at=1_742_040_000 + day * 86_400)  # 2025-03-15 and later
    return Counted(event, category, category + 5)


def test_an_event_counts_at_once_and_only_once(valkey: Settings) -> None:
    trending = Trending.connect(valkey)
    trending.replace(MONDAY)
    for _ in range(3):
        trending.count([counted(0, user, 2) for user in range(25)])
    assert trending.top(10) == [(2, 45), (3, 40), (1, 30)]
    assert trending.top(10, category_l1=0) == [(2, 45), (1, 30)]
    assert trending.top(10, category_l2=5) == [(1, 30), (2, 25)]


def test_thousands_of_events_of_two_days_are_counted_in_one_call(valkey: Settings) -> None:
    trending = Trending.connect(valkey)
    events = [counted(day, user, user % 3) for user in range(1_200) for day in (0, 1)]
    trending.count([*events, *events[:50]])
    assert trending.top(10) == [(2, 800), (1, 800), (0, 800)]
    trending.replace(MONDAY, "2025-03-15")  # only the second day is later
    assert trending.top(10) == [(1, 430), (2, 420), (0, 400), (3, 40)]


def test_the_batch_replaces_the_online_counts_of_its_days_and_keeps_later_ones(valkey: Settings) -> None:
    trending = Trending.connect(valkey)
    trending.count([counted(0, user, 1) for user in range(3)] + [counted(1, user, 2) for user in range(4)])
    trending.replace(MONDAY, "2025-03-15")
    assert trending.top(10) == [(3, 40), (1, 30), (2, 24)]
    assert trending.top(10, category_l1=0) == [(1, 30), (2, 24)]
    trending.replace(MONDAY, "2025-03-16")
    assert trending.top(10) == [(3, 40), (1, 30), (2, 20)]
