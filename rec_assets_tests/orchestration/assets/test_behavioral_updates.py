"""Compares real time with the batch on a replayed day, and tests that trainings read interactions recorded online."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from dagster import DagsterInstance

from rec_assets.features.days import whole_day
from rec_assets.features.history import latest_events
from rec_assets.features.joins import join_interactions
from rec_assets.features.store import online
from rec_assets.features.store.views import ITEM_VIEW, USER_VIEW
from rec_assets.features.top_category import top_category_as_of
from rec_assets.realtime.events import Event
from rec_assets.realtime.open_log import open_log
from rec_assets.realtime.recent_items import RecentItems
from rec_assets.realtime.stream import EventStream
from rec_assets.settings import Settings
from rec_assets.storage.s3 import Bucket
from rec_assets.storage.valkey import connect
from rec_assets_tests.pipeline import Pipeline, materialize
from rec_assets_tests.realtime.state import drain

pytestmark = pytest.mark.slow

INTERACTION = ["user_id", "item_id", "timestamp"]


@pytest.fixture
def replayed(pipeline: Pipeline, valkey: Settings, tmp_path: Path) -> Settings:
    """Stores with the state before the pipeline's last day, plus that day, applied by the worker.

    The stores also hold items that arrive on the last day, like the batch.
    """
    settings = valkey.model_copy(update={"home": tmp_path})
    midnight = datetime.combine(pipeline.settings.as_of, datetime.min.time(), UTC)
    eve = (pipeline.settings.as_of - timedelta(days=1)).isoformat()
    online.apply(
        settings,
        pipeline.artifact("user_features", eve) / "user_features.parquet",
        pipeline.artifact("item_features") / "item_features.parquet",
    )
    online.materialize(settings, midnight, midnight, [USER_VIEW])
    online.materialize(settings, midnight, midnight + timedelta(days=1), [ITEM_VIEW])
    days = [key for key in pipeline.store.partitions("raw_interactions") if key < pipeline.day]
    past = latest_events(pl.scan_parquet([raw_day(pipeline, key) for key in days])).collect()
    columns = (past[name].to_numpy() for name in INTERACTION)
    RecentItems(connect(settings)).add_all(*columns)
    rows = pl.read_parquet(raw_day(pipeline, pipeline.day)).rename({"timestamp": "at"})
    EventStream.connect(settings).send([Event.of(row) for row in rows.iter_rows(named=True)])
    assert drain(settings) == rows.height
    return settings


def raw_day(pipeline: Pipeline, day: str) -> Path:
    return pipeline.artifact("raw_interactions", day) / "interactions.parquet"


def test_a_replayed_day_has_what_the_batch_computes_event_by_event(pipeline: Pipeline, replayed: Settings) -> None:
    batch = pl.read_parquet(pipeline.artifact("joined_interactions") / "rows.parquet")
    streamed = open_log(replayed).read(pipeline.day)
    assert streamed.height > 2000
    columns = [*INTERACTION, "device_type", "top_category"]
    both = [frame.select(columns).sort(columns) for frame in (batch.unique(INTERACTION, keep="first"), streamed)]
    assert both[0]["top_category"].n_unique() > 5
    assert both[0].equals(both[1])


def test_after_a_replayed_day_every_user_has_the_feature_of_the_batch(pipeline: Pipeline, replayed: Settings) -> None:
    eve = (pipeline.settings.as_of - timedelta(days=1)).isoformat()
    items = pl.scan_parquet(pipeline.artifact("raw_items", "all") / "items.parquet").select("item_id", "category_l1")
    rows = pl.scan_parquet([raw_day(pipeline, day) for day in (eve, pipeline.day)]).join(items, on="item_id")
    midnight = datetime.combine(pipeline.settings.as_of, datetime.min.time(), UTC).timestamp()
    latest = rows.group_by("user_id").agg(pl.col("timestamp").max()).filter(pl.col("timestamp") >= midnight)
    expected = top_category_as_of(latest.with_columns(pl.col("timestamp") + 1), rows).sort("user_id").collect()
    users = expected["user_id"].to_numpy()
    served = online.read_users(online.open_store(replayed, online.BULK_TIMEOUT), users).columns
    assert served["top_category"].tolist() == expected["top_category"].to_list()
    features = pl.read_parquet(pipeline.artifact("user_features", eve) / "user_features.parquet")
    ages = dict(features.select("user_id", pl.col("age").fill_null(-1)).iter_rows())
    assert pl.Series(served["age"]).fill_nan(-1).to_list() == [ages.get(user, -1) for user in users.tolist()]


def test_a_day_with_only_the_offline_log_joins_to_the_same_rows(
    pipeline: Pipeline, replayed: Settings, tmp_path: Path
) -> None:
    day, columns = pipeline.settings.as_of, ["user_id", "item_id", "device_type", "timestamp"]
    raw = pl.read_parquet(raw_day(pipeline, pipeline.day))
    raw.head(0).write_parquet(tmp_path / "raw.parquet")
    open_log(replayed).read(day).select(columns).write_parquet(tmp_path / "updates.parquet")
    rows = join_interactions(
        whole_day(tmp_path / "raw.parquet", tmp_path / "updates.parquet"),
        pl.scan_parquet(raw_day(pipeline, (day - timedelta(days=1)).isoformat())),
        pl.scan_parquet(pipeline.artifact("raw_users", "all") / "users.parquet").filter(
            pl.col("first_day").is_null() | (pl.col("first_day") <= day)
        ),
        pl.scan_parquet(pipeline.artifact("raw_items", "all") / "items.parquet"),
    ).collect()
    rows = rows.drop("role")
    batch = pl.read_parquet(pipeline.artifact("joined_interactions") / "rows.parquet")
    assert rows.equals(batch.unique(INTERACTION, keep="first", maintain_order=True))


def test_interactions_recorded_online_change_the_training_rows_until_they_are_deleted(pipeline: Pipeline) -> None:
    from rec_assets.orchestration.runs.run_local import PARTITION_RANGE

    day, log = pipeline.settings.start_date, open_log(pipeline.settings, "test")
    assets = ["behavioral_updates", "joined_interactions", "masked_train_set", "user_features", "item_popularity"]

    def build() -> dict[str, str]:
        with DagsterInstance.get() as instance:
            # All days, like the pipeline: Dagster records one data version for all days of a run.
            tags = dict(zip(PARTITION_RANGE, (day.isoformat(), pipeline.day), strict=True))
            assert materialize(assets, instance=instance, tags=tags).success
        return {asset: pipeline.artifact(asset, day.isoformat()).digest for asset in assets}

    before = build()
    raw = pl.read_parquet(raw_day(pipeline, day.isoformat()))
    again, noon = raw.row(0, named=True), int(datetime.combine(day, datetime.min.time(), UTC).timestamp()) + 43_200
    clicks = [
        (again["user_id"], again["item_id"], -1, again["timestamp"], "clicked", -1),
        (7, int(raw["item_id"][0]), 0, noon, "clicked", -1),
        (7, 2**30, 0, noon, "clicked", -1),
    ]
    log.append(pl.DataFrame(clicks, schema=list(log.read(day).schema.items()), orient="row"))
    assert log.write(now=True)
    try:
        changed = build()
        joined = pl.read_parquet(pipeline.artifact("joined_interactions", day.isoformat()) / "rows.parquet")
        updates = pl.read_parquet(pipeline.artifact("behavioral_updates", day.isoformat()) / "updates.parquet")
    finally:
        bucket = Bucket(pipeline.settings.artifacts)
        bucket.delete([one.key for one in bucket.objects(f"behavior/{day}/test-")])
        after = build()
    assert joined.filter(user_id=7, timestamp=noon)["item_id"].to_list() == [int(raw["item_id"][0])]
    assert joined.height == raw.height + 1
    assert updates["kind"].to_list() == ["clicked", "clicked"]
    assert all(changed[asset] != before[asset] for asset in assets[:3])
    assert after == before
