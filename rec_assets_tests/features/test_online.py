import runpy
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml

from rec_assets.common.errors import ActionableError
from rec_assets.features.store import online
from rec_assets.features.store.feature_writer import FeatureWriter
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import ITEM_FEATURES, ITEM_VIEW, USER_KEY, USER_VIEW
from rec_assets.features.top_category import NO_CATEGORY
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.valkey.client import connect
from rec_assets_tests.servers import free_port

DAY = datetime(2025, 3, 14, tzinfo=UTC)
USERS, ITEMS = 10_000, 300
FEATURE_REPO = Path(__file__).parents[2] / "feature_repo"


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return write_features(tmp_path_factory.mktemp("features"), DAY)


def write_features(folder: Path, at: datetime, shift: int = 0) -> tuple[Path, Path]:
    moment = pl.lit(at, pl.Datetime("us", "UTC"))
    user, item = np.arange(1, USERS + 1, dtype=np.int32), np.arange(ITEMS, dtype=np.int32) * 3
    users = pl.DataFrame({"user_id": user, "gender": user % 2, "top_category": (user + shift) % 20 - 1}).with_columns(
        age=pl.when(pl.col("user_id") % 5 > 0).then(18 + pl.col("user_id") % 60).cast(pl.Int32), event_timestamp=moment
    )
    items = pl.DataFrame(
        {
            "item_id": item,
            "price": (item * np.float32(1.1)).astype(np.float32),
            "category_l1": item % 4,
            "category_l2": item % 8,
            "item_gender": item % 3 - 1,
        }
    ).with_columns(event_timestamp=moment)
    users.write_parquet(folder / "users.parquet")
    items.write_parquet(folder / "items.parquet")
    return folder / "users.parquet", folder / "items.parquet"


@pytest.fixture
def filled(valkey: Settings, files: tuple[Path, Path]) -> Settings:
    online.apply(valkey, *files)
    online.materialize(valkey, DAY - timedelta(days=1), DAY + timedelta(seconds=1))
    return valkey


def test_materialized_rows_are_read_in_the_order_of_the_ids(filled: Settings) -> None:
    users = online.read_users(online.open_store(filled), np.array([42, 7, 5, 42], np.int32))
    assert users.known.all()
    np.testing.assert_array_equal(users.columns["age"], np.array([60, 25, np.nan, 60], np.float32))
    assert users.columns["gender"].tolist() == [0, 1, 1, 0]
    assert users.columns["top_category"].tolist() == [1, 6, 4, 1]
    assert [values.dtype for values in users.columns.values()] == [np.float32, np.int32, np.int32]
    items = online.read_items(online.open_store(filled, online.BULK_TIMEOUT), np.arange(ITEMS) * 3)
    assert items.known.all()
    np.testing.assert_allclose(items.columns["price"], np.arange(ITEMS) * 3.3, rtol=1e-6)
    assert items.columns["item_gender"].tolist() == [item * 3 % 3 - 1 for item in range(ITEMS)]


def test_a_user_who_is_not_in_the_store_is_unknown(filled: Settings) -> None:
    users = online.read_users(online.open_store(filled), np.array([999_999, 42, -1]))
    assert users.known.tolist() == [False, True, False]
    assert np.isnan(users.columns["age"][[0, 2]]).all()
    assert users.columns["gender"].tolist() == [-1, 0, -1]
    assert users.columns["top_category"].tolist() == [-1, 1, -1]


def test_the_online_reader_returns_the_rows_of_feast(filled: Settings) -> None:
    """Compares users with and without an age, all items, and unknown ids."""
    store, rng = online.open_store(filled, online.BULK_TIMEOUT), np.random.default_rng(0)
    reads = {
        USER_VIEW: (online.read_users, np.array([-1, 0, 2**31 - 1, *rng.integers(1, USERS + 50, 2000)], np.int32)),
        ITEM_VIEW: (online.read_items, np.arange(-5, 3 * ITEMS + 5, dtype=np.int32)),
    }
    for view, (read, ids) in reads.items():
        expected, rows = read(store, ids), OnlineReader(filled, view)(ids)
        assert 0 < expected.known.sum() < len(ids)
        np.testing.assert_array_equal(rows.known, expected.known)
        for name, values in expected.columns.items():
            np.testing.assert_array_equal(rows.columns[name], values)
            assert rows.columns[name].dtype == values.dtype


def test_the_online_reader_returns_the_times_of_feast(filled: Settings) -> None:
    ids = np.array([7, 42, 999_999])
    fetched = online.open_store(filled).get_online_features([f"{USER_VIEW}:age"], {USER_KEY: ids.tolist()})
    expected = fetched.to_dict(include_event_timestamps=True)["age__ts"]
    assert OnlineReader(filled, USER_VIEW).with_times(ids)[1].tolist() == expected
    assert expected[0] > 0 and expected[2] == 0


def test_the_feature_writer_leaves_the_bytes_of_feast(filled: Settings) -> None:
    """Compares a new value, -1, an unchanged value, a row that is newer than the write, and a user without a row."""
    writer, client = FeatureWriter(filled, USER_VIEW, "top_category", NO_CATEGORY), connect(filled)
    end, reader = int(DAY.timestamp()), OnlineReader(filled, USER_VIEW)
    values = {1: (end + 60, 13), 2: (end + 60, -1), 3: (end + 60, 2), 4: (end - 60, 13), USERS + 7: (end + 60, 1_000)}
    rows = {user: client.hgetall(reader.key(user)) for user in values}
    assert writer(values) == 4
    written = {user: client.hgetall(reader.key(user)) for user in values}
    assert written[3] == rows[3]
    assert set(written[USERS + 7]) < set(rows[1])
    for user, cells in rows.items():
        client.delete(reader.key(user))
        if cells:
            client.execute_command("HSET", reader.key(user), *(part for cell in cells.items() for part in cell))
    before, times = reader.with_times(users := np.array([1, 2, 4, USERS + 7]))
    columns = before.columns | {"top_category": np.array([values[user][1] for user in users.tolist()], np.int32)}
    as_of = np.maximum([values[user][0] for user in users.tolist()], times + 1)
    online.write_rows(online.open_store(filled, online.BULK_TIMEOUT), USER_VIEW, users, columns, as_of)
    for user in users.tolist():
        by_feast = client.hgetall(reader.key(user))
        assert written[user].items() <= by_feast.items()
    assert writer({user: values[user] for user in users.tolist()}) == 0


def test_repeating_a_day_changes_nothing_and_an_older_day_never_wins(filled: Settings, tmp_path: Path) -> None:
    ids = np.arange(1, 100)
    before = online.read_users(online.open_store(filled), ids)
    online.materialize(filled, DAY - timedelta(days=1), DAY + timedelta(seconds=1), [USER_VIEW])
    older = write_features(tmp_path, DAY - timedelta(days=3), shift=1)
    online.apply(filled, *older)
    online.materialize(filled, DAY - timedelta(days=4), DAY)
    after = online.read_users(online.open_store(filled), ids)
    for name, values in before.columns.items():
        np.testing.assert_array_equal(after.columns[name], values)


def test_a_newer_day_replaces_the_one_before(filled: Settings, tmp_path: Path) -> None:
    store = online.open_store(filled)
    ids = np.array([42])
    assert online.read_users(store, ids).columns["top_category"].tolist() == [1]
    online.apply(filled, *write_features(tmp_path, DAY + timedelta(days=1), shift=1))
    online.materialize(filled, DAY, DAY + timedelta(days=2))
    assert online.read_users(store, ids).columns["top_category"].tolist() == [2]


def test_users_are_written_many_at_a_time(valkey: Settings, files: tuple[Path, Path]) -> None:
    online.apply(valkey, *files)
    client = connect(valkey)
    before = client.info("stats")["total_reads_processed"]
    online.materialize(valkey, DAY - timedelta(days=1), DAY + timedelta(seconds=1), [USER_VIEW])
    assert client.dbsize() == USERS
    assert client.info("stats")["total_reads_processed"] - before < USERS / 10


@pytest.mark.parametrize("window", [(-1, 0), (0, 0), (0, 1)])
def test_both_ends_of_the_window_belong_to_it(
    valkey: Settings, files: tuple[Path, Path], window: tuple[int, int]
) -> None:
    online.apply(valkey, *files)
    start, end = (DAY + timedelta(seconds=second) for second in window)
    online.materialize(valkey, start, end, [ITEM_VIEW])
    assert online.read_items(online.open_store(valkey), np.array([3])).known.all()


def test_applying_needs_the_files(valkey: Settings, tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match=r"nowhere.parquet does not exist.*\n.*user_features"):
        online.apply(valkey, tmp_path / "nowhere.parquet", tmp_path / "nowhere.parquet")


def test_the_error_of_a_stopped_store_has_address_and_next_step(files: tuple[Path, Path], tmp_path: Path) -> None:
    stopped = Settings(home=tmp_path, valkey_port=free_port())
    online.apply(stopped, *files)
    with pytest.raises(ActionableError, match=f"127.0.0.1:{stopped.valkey_port}.*\n.*rec up"):
        online.materialize(stopped, DAY - timedelta(days=1), DAY + timedelta(seconds=1), [ITEM_VIEW])


def test_the_feast_command_reads_the_newest_feature_files(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ArtifactStore(Settings(home=tmp_path).artifacts_dir)
    for asset, file in zip(("user_features", "item_features"), files, strict=True):
        for day in ("2025-03-13", "2025-03-14"):
            with store.publish(asset, day) as draft:
                shutil.copy(file, draft.path / f"{asset}.parquet")
    monkeypatch.setenv("REC_HOME", str(tmp_path))
    get_settings.cache_clear()
    try:
        definitions = runpy.run_path(str(FEATURE_REPO / "definitions.py"))
    finally:
        get_settings.cache_clear()
    assert definitions["user_features"].batch_source.path == str(store.get("user_features", "2025-03-14").path)
    assert [definitions["user"].name, definitions["item"].name] == ["user", "item"]
    assert [field.name for field in definitions["item_features"].features] == list(ITEM_FEATURES)


def test_the_committed_yaml_is_what_the_default_settings_make() -> None:
    written = yaml.safe_load((FEATURE_REPO / "feature_store.yaml").read_text())
    expected = online.repo_config(Settings())
    expected["registry"]["path"] = f"../{expected['registry']['path']}"
    assert written == expected
