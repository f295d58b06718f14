"""Compares writes of changed rows with Feast's write of all rows, over drawn days, on two real Valkeys."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rec_assets.common.errors import ActionableError
from rec_assets.common.units import DAY_SECONDS
from rec_assets.features.store import online
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import ITEM_VIEW, TIMESTAMP, USER_FEATURES, USER_VIEW
from rec_assets.features.store.write_day import WrittenDay, write_day
from rec_assets.realtime.stores.preferences import TopCategoryWriter
from rec_assets.realtime.stores.user_activity import UserActivityStore
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets.storage.valkey.keys import ITEM_VERSION, WRITING_LOCK
from rec_assets_tests.features.test_online import ITEMS, USERS, write_features
from rec_assets_tests.servers import free_port, running_valkey

if TYPE_CHECKING:
    from feast import FeatureStore

FIRST = datetime(2025, 3, 14, tzinfo=UTC)
IDS = np.arange(1, 5)

# Few values, so that many rows stay equal from day to day.
FEATURES = st.tuples(st.sampled_from([None, 20]), st.just(0), st.integers(-1, 1))
# A step writes users of a new day, after the store has lost some. Or it writes an earlier day again, with corrections.
# Then a worker writes categories of users, with seconds since the newest day's begin.
STEPS = st.lists(
    st.tuples(
        st.none() | st.integers(0, 3),
        st.dictionaries(st.integers(1, 4), FEATURES, min_size=1),
        st.sets(st.integers(1, 4), max_size=2),
        st.lists(st.tuples(st.integers(1, 4), st.integers(0, 1), st.integers(0, 2 * DAY_SECONDS)), max_size=4),
    ),
    min_size=2,
    max_size=6,
)
Users: TypeAlias = dict[int, tuple[int | None, int, int]]
Step: TypeAlias = tuple[int | None, Users, set[int], list[tuple[int, int, int]]]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, Settings]]:
    """Two Valkeys with registered views: for full writes, and for writes of changed rows."""
    folders = [tmp_path_factory.mktemp(name) for name in ("full", "changed")]
    with running_valkey(folders[0]) as full, running_valkey(folders[1]) as changed:
        for one in (full, changed):
            online.apply(one, *write_features(one.home, FIRST))
        yield full, changed


# A correction of a row that the newest day left as it was, and a click between two equal days.
@example(
    steps=[(None, {1: (20, 0, 0)}, set(), []), (None, {1: (20, 0, 0)}, set(), []), (1, {1: (20, 0, 1)}, set(), [])]
)
@example(steps=[(None, {1: (20, 0, 0)}, set(), [(1, 1, DAY_SECONDS + 5)]), (None, {1: (20, 0, 0)}, set(), [])])
@given(steps=STEPS)
@hypothesis_settings(max_examples=20)
def test_requests_read_what_a_full_write_of_each_day_gives(
    servers: tuple[Settings, Settings], steps: Sequence[Step]
) -> None:
    full, changed = servers
    for one in servers:
        connect(one).flushall()
    store = online.open_store(full)
    workers = [TopCategoryWriter(one, UserActivityStore.connect(one)) for one in servers]
    days, newest = 0, frozenset[int]()
    for repeated, users, lost, clicks in steps:
        is_new = repeated is None or repeated >= days
        if is_new:
            days, newest = days + 1, frozenset(users)
            for one in servers:
                for user in lost:
                    lose(one, user)
        # A full write of an earlier day also changes users whom the newest day lacks.
        rows = frame_of({user: features for user, features in users.items() if user in newest})
        if not rows.is_empty():
            at = FIRST + timedelta(days=days if is_new else 1 + (repeated or 0))
            write_all(store, rows, at)
            rows.with_columns(pl.lit(at).alias(TIMESTAMP)).write_parquet(changed.home / "users.parquet")
            write_day(changed, USER_VIEW, changed.home / "users.parquet", at)
            assert_equal_rows(full, changed)
        for user, category, second in clicks:
            as_of = int(FIRST.timestamp()) + (days - 1) * DAY_SECONDS + second
            for worker in workers:
                worker._write({user: (as_of, category)})
        assert_equal_rows(full, changed)


def write_all(store: "FeatureStore", rows: pl.DataFrame, at: datetime) -> None:
    times = np.full(rows.height, int(at.timestamp()))
    online.write_rows(store, USER_VIEW, rows["user_id"].to_numpy(), online.feature_columns(USER_VIEW, rows), times)


def frame_of(users: Users) -> pl.DataFrame:
    rows = [(user, *features) for user, features in sorted(users.items())]
    schema = {"user_id": pl.Int32, "age": pl.Int32, "gender": pl.Int32, "top_category": pl.Int32}
    return pl.DataFrame(rows, schema, orient="row")


def lose(settings: Settings, user: int) -> None:
    """Deletes the features of a user from the store."""
    connect(settings).delete(OnlineReader(settings, USER_VIEW).key(user))


def assert_equal_rows(full: Settings, changed: Settings) -> None:
    expected, rows = (OnlineReader(one, USER_VIEW)(IDS) for one in (full, changed))
    np.testing.assert_array_equal(rows.known, expected.known)
    for name in USER_FEATURES:
        np.testing.assert_array_equal(rows.columns[name], expected.columns[name])


@pytest.fixture
def written(valkey: Settings, tmp_path: Path) -> Settings:
    """Settings of a Valkey that got the features of `FIRST` by a full write."""
    settings = valkey.model_copy(update={"home": tmp_path})
    assert write(settings, FIRST) == [WrittenDay(USERS, USERS, is_full=True), WrittenDay(ITEMS, ITEMS, is_full=True)]
    return settings


def write(settings: Settings, at: datetime, age: pl.Expr | None = None) -> list[WrittenDay]:
    """Writes users and items of a day that differ from those of other days only in the age."""
    files = write_features(settings.home, at)
    pl.read_parquet(files[0]).with_columns(age=pl.col("age") if age is None else age).write_parquet(files[0])
    online.apply(settings, *files)
    return [write_day(settings, view, file, at) for view, file in zip((USER_VIEW, ITEM_VIEW), files, strict=True)]


def test_only_changed_rows_are_written(written: Settings) -> None:
    client, later = connect(written), FIRST + timedelta(days=1)
    version = client.get(ITEM_VERSION)
    users, items = write(written, later, age=pl.when(pl.col("user_id") % 50 != 1).then("age"))
    assert users == WrittenDay(USERS, USERS // 50, is_full=False)
    assert items == WrittenDay(ITEMS, 0, is_full=False)
    assert client.get(ITEM_VERSION) == version
    rows, times = OnlineReader(written, USER_VIEW).with_times(np.arange(1, USERS + 1))
    changed = np.arange(USERS) % 50 == 0
    assert np.isnan(rows.columns["age"][changed]).all()
    assert times.tolist() == np.where(changed, int(later.timestamp()), int(FIRST.timestamp())).tolist()


def test_a_store_that_lost_its_data_gets_all_rows(written: Settings) -> None:
    connect(written).flushall()
    assert [one.is_full for one in write(written, FIRST + timedelta(days=1))] == [True, True]
    assert OnlineReader(written, USER_VIEW)(np.arange(1, USERS + 1)).known.all()


def test_a_rebuilt_day_adds_only_missing_rows(written: Settings) -> None:
    lose(written, 7)
    users, _ = write(written, FIRST, age=pl.lit(99))
    assert users == WrittenDay(USERS, 1, is_full=False)
    assert OnlineReader(written, USER_VIEW)(np.array([7, 8])).columns["age"].tolist() == [99, 26]


def test_two_days_are_not_written_at_once(written: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rec_assets.features.store.write_day.PATIENCE_S", 0.1)
    with (
        connect(written).lock(WRITING_LOCK, timeout=60.0),
        pytest.raises(ActionableError, match=r"Another run has been writing.*\n.*materialize this day again"),
    ):
        write(written, FIRST + timedelta(days=1))
    assert write(written, FIRST + timedelta(days=1))[0].changed == 0


def test_the_error_of_a_stopped_store_has_address_and_next_step(tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match=r"does not answer at 127.0.0.1.*\n.*rec up"):
        write(Settings(home=tmp_path, valkey_port=free_port()), FIRST)
