import numpy as np
import pytest

from rec_assets.features.store.unavailable import UnavailableItems
from rec_assets.realtime.events import Event
from rec_assets.realtime.stores.retired_users import RetiredUsers
from rec_assets.realtime.stores.trending import Counted, Trending
from rec_assets.realtime.stores.user_activity import Activity, UserActivityStore
from rec_assets.realtime.stream import EventStream
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import command, connect, connect_to_database
from rec_assets.storage.valkey.move_keys import move_old_keys, renamed

OLD = {
    b"user:{7}:recent_items": (1, "user:7:recent_items"),
    b"user:{7}:activity": (1, "user:7:activity"),
    b"user:{7}:seen": (1, "bf:seen:7"),
    b"events": (1, "events"),
    b"{events}:dead": (1, "events:dead"),
    b"retired_users": (1, "retired_users"),
    b"items:unavailable": (3, "items:unavailable"),
    b"{trending:0}:global": (3, "trending:global"),
    b"{trending:0}:cat_l1:1": (3, "trending:cat_l1:1"),
    b"{trending:0}:cat_l2:2": (3, "trending:cat_l2:2"),
    b"{trending:0}:online:2025-03-10:global": (3, "online:2025-03-10:global"),
    b"{trending:0}:online:2025-03-10:cat_l1:1": (3, "online:2025-03-10:cat_l1:1"),
    b"{trending:0}:online:2025-03-10:cat_l2:2": (3, "online:2025-03-10:cat_l2:2"),
    b"{trending:0}:counted:2025-03-10": (3, "counted:2025-03-10"),
}
NOON = 1_741_608_000  # 10 March 2025
CLICK = Event(user_id=7, item_id=10, at=NOON)


@pytest.fixture
def earlier(valkey: Settings) -> Settings:
    """A Valkey as an earlier release left it: its keys have other names, in other databases."""
    UserActivityStore.connect(valkey).record(7, [10, 13], NOON)
    RetiredUsers(connect(valkey)).add(8)
    RetiredUsers(connect(valkey)).finish(8)  # earlier releases have no list of unfinished deletions
    UnavailableItems(connect(valkey)).replace([16])
    Trending.connect(valkey).count([Counted(CLICK, 1, 2)])
    stream = EventStream.connect(valkey)
    stream.open()
    stream.send([CLICK, Event(user_id=9, item_id=10, at=NOON)])
    stream.send_to_dead_letter(stream.take("worker", 1, 1)[0], "damaged")
    stream.send([CLICK])
    stream.take("worker", 1, 1)
    client = connect(valkey)
    client.delete("{trending:0}:names")
    assert set(client.keys()) == OLD.keys()
    for key, (database, name) in OLD.items():
        command(client, "RENAME", key.decode(), name)
        client.move(name, database)
    assert client.dbsize() == 0
    return valkey


def test_every_store_reads_its_keys_after_the_move(earlier: Settings) -> None:
    assert move_old_keys(earlier) == len(OLD)
    activity = UserActivityStore.connect(earlier)
    assert [item for item, _ in activity.recent_items.latest(7)] == [13, 10]
    assert activity.seen_items.contain(np.array([7]), np.array([10, 11]), np.array([0, 2])).tolist() == [True, False]
    assert activity.activities([7]) == {7: Activity(version=1)}
    assert RetiredUsers(connect(earlier)).among([7, 8]) == {8}
    assert UnavailableItems(connect(earlier)).items().tolist() == [16]
    stream = EventStream.connect(earlier)
    assert (stream.state().waiting, stream.state().taken, stream.state().dead) == (1, 1, 1)
    trending = Trending.connect(earlier)
    trending.count([Counted(CLICK, 1, 2)])  # counted before the move
    assert trending.top(5) == trending.top(5, category_l2=2) == [(10, 1)]
    assert move_old_keys(earlier) == 0
    assert set(connect(earlier).keys()) == {*OLD, b"{trending:0}:names"}


def test_events_that_an_earlier_client_sends_after_the_move_join_the_stream(earlier: Settings) -> None:
    move_old_keys(earlier)
    connect_to_database(earlier, 1).xadd("events", CLICK.fields())
    assert move_old_keys(earlier) == 1
    assert EventStream.connect(earlier).state().waiting == 2


def test_a_key_of_both_databases_stays(earlier: Settings, caplog: pytest.LogCaptureFixture) -> None:
    UserActivityStore.connect(earlier).record(7, [19], NOON)
    move_old_keys(earlier)
    assert [item for item, _ in UserActivityStore.connect(earlier).recent_items.latest(7)] == [19]
    assert "3 keys of database 1 exist in database 0" in caplog.text


def test_a_move_that_was_interrupted_goes_on(earlier: Settings) -> None:
    command(connect_to_database(earlier, 1), "RENAME", "user:7:recent_items", "user:{7}:recent_items")
    assert move_old_keys(earlier) == len(OLD)


def test_other_keys_keep_their_names() -> None:
    assert renamed(b"rec_assets:identity") == b"rec_assets:identity"
