"""Tests of the feature store on AWS: registry in a bucket, configuration from the environment, Athena tables."""

from datetime import timedelta
from pathlib import Path
from runpy import run_path

import duckdb
import numpy as np
import polars as pl
import pytest
from feast.infra.offline_stores.contrib.athena_offline_store.athena import AthenaOfflineStore
from feast.repo_config import load_repo_config
from polars.testing import assert_frame_equal

from rec_assets.common.errors import ActionableError
from rec_assets.features.store import offline, online
from rec_assets.features.store.views import ITEM_VIEW, USER_VIEW, feast_objects
from rec_assets.settings import Settings
from rec_assets.storage.s3 import Bucket
from rec_assets_tests.deploy.manifests import DEPLOY
from rec_assets_tests.features.test_online import DAY, FEATURE_REPO, write_features
from rec_assets_tests.s3 import BUCKET, S3

REGISTRY = f"s3://{BUCKET}/feast/registry.db"


def test_a_second_machine_reads_the_registry_of_the_first(s3: S3, valkey: Settings, tmp_path: Path) -> None:
    first = valkey.model_copy(update={"feast_registry": REGISTRY, "home": tmp_path / "first"})
    second = first.model_copy(update={"home": tmp_path / "second"})
    online.apply(first, *write_features(tmp_path, DAY))
    online.materialize(first, DAY - timedelta(seconds=1), DAY, [ITEM_VIEW])
    assert online.read_items(online.open_store(second), np.array([3, 7])).known.tolist() == [True, False]
    assert not (tmp_path / "second").exists()


def test_a_registry_in_a_missing_bucket_is_named(s3: S3, tmp_path: Path) -> None:
    lost = Settings(home=tmp_path, feast_registry="s3://nowhere/registry.db")
    with pytest.raises(ActionableError, match=r"(?s)s3://nowhere/registry.db.*REC_FEAST_REGISTRY"):
        online.apply(lost, *write_features(tmp_path, DAY))


def test_the_committed_yaml_is_what_the_settings_of_aws_make(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {
        "REC_FEAST_REGISTRY": REGISTRY,
        "REC_VALKEY_HOST": "store.example",
        "REC_VALKEY_PORT": "6379",
        "REC_VALKEY_PASSWORD": "secret-token",
        "REC_VALKEY_TLS": "true",
        "REC_FEAST_OFFLINE": "athena",
        "REC_ATHENA_RESULTS": f"s3://{BUCKET}/athena/",
        "AWS_REGION": Settings().athena_region,
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    folder = FEATURE_REPO / "aws"
    written = load_repo_config(folder, folder / "feature_store.yaml")
    expected = online.repo_config(Settings())
    assert written.registry.path == expected["registry"]["path"]
    assert written.online_store.connection_string == expected["online_store"]["connection_string"]
    assert written.offline_store.model_dump() == expected["offline_store"]
    assert written.project == expected["project"]


COLUMNS = {"int": "INTEGER", "float": "FLOAT", "timestamp": "TIMESTAMP WITH TIME ZONE", "string": "VARCHAR"}


@pytest.fixture
def athena(s3: S3, tmp_path: Path) -> Settings:
    """Returns the settings of a feature store whose tables hold two days."""
    bucket = f"s3://{BUCKET}/{tmp_path.name}"
    settings = Settings(
        home=tmp_path,
        feast_offline="athena",
        feast_tables=f"{bucket}/offline",
        athena_results=f"{bucket}/athena/",
        feast_registry=f"{bucket}/registry.db",
    )
    for day, shift in ((DAY - timedelta(days=1), 0), (DAY, 1)):
        folders = {view: tmp_path / f"{day:%Y-%m-%d}" / view for view in (USER_VIEW, ITEM_VIEW)}
        for folder in folders.values():
            folder.mkdir(parents=True)
        files = write_features(tmp_path, day + timedelta(days=1), shift)
        for (view, folder), file in zip(folders.items(), files, strict=True):
            offline.land(settings, view, f"{day:%Y-%m-%d}", file.rename(folder / file.name))
    return settings


def tables_of(settings: Settings, folder: Path) -> duckdb.DuckDBPyConnection:
    """Opens the files of the bucket as tables with the names from Glue; checks the columns that deploy/cdk declares."""
    stack = run_path(str(DEPLOY / "cdk/stacks/tables.py"))
    Bucket(settings.feast_tables).download("", folder)
    database = duckdb.connect()
    database.execute(f"ATTACH ':memory:' AS \"{offline.CATALOG}\"; SET TimeZone = 'UTC'")
    database.execute(f'CREATE SCHEMA "{offline.CATALOG}".{settings.athena_database}')
    for table in stack["TABLES"]:
        view = f'"{offline.CATALOG}".{settings.athena_database}.{table}'
        files = f"'{folder}/{table}/*/*.parquet', hive_partitioning = true, hive_types = {{'day': VARCHAR}}"
        database.execute(f"CREATE VIEW {view} AS SELECT * FROM read_parquet({files})")
        columns = {name: kind for name, kind, *_ in database.execute(f"DESCRIBE {view}").fetchall()}
        declared = {**stack["columns_of"](table), stack["PARTITION"]: "string"}
        assert {name: COLUMNS[kind] for name, kind in declared.items()} == columns
    return database


def test_the_athena_query_of_feast_returns_the_newest_row_of_each_entity_of_the_day(
    athena: Settings, tmp_path: Path
) -> None:
    store = online.open_store(athena)
    store.apply([*feast_objects(athena, tmp_path / "unused", tmp_path / "unused")])
    view = store.get_feature_view(USER_VIEW)
    job = AthenaOfflineStore.pull_latest_from_table_or_query(
        store.config,
        view.batch_source,
        join_key_columns=["user_id"],
        feature_name_columns=["age", "gender", "top_category"],
        timestamp_field="event_timestamp",
        created_timestamp_column=None,
        start_date=DAY + timedelta(days=1) - timedelta(seconds=1),
        end_date=DAY + timedelta(days=1),
    )
    with job._query_generator() as query:
        result = tables_of(athena, tmp_path / "tables").execute(query)
    names = [column[0] for column in result.description]
    rows = pl.DataFrame(result.fetchall(), schema=names, orient="row").sort("user_id")
    expected = pl.read_parquet(tmp_path / f"{DAY:%Y-%m-%d}" / USER_VIEW / "users.parquet").sort("user_id")
    assert_frame_equal(rows, expected.select(rows.columns), check_dtypes=False)


def test_a_repeated_day_replaces_its_file(athena: Settings, tmp_path: Path) -> None:
    file = tmp_path / f"{DAY:%Y-%m-%d}" / ITEM_VIEW / "items.parquet"
    before = list(Bucket(athena.feast_tables).objects(""))
    offline.land(athena, ITEM_VIEW, f"{DAY:%Y-%m-%d}", file)
    assert [one.key for one in Bucket(athena.feast_tables).objects("")] == [one.key for one in before]


def test_a_feature_store_of_files_uploads_nothing(s3: S3, tmp_path: Path) -> None:
    offline.land(Settings(home=tmp_path), ITEM_VIEW, "2025-03-14", tmp_path / "nothing")
