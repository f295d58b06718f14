"""From the log of answers to outcomes and drift, with the interactions of the pipeline's days."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest
from dagster import AssetCheckSeverity, ExecuteInProcessResult

from rec_assets.realtime.answers.ids import new_ids
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.answers.schema import SCHEMA
from rec_assets.storage.s3 import Bucket
from rec_assets_tests.pipeline import Pipeline, definitions

pytestmark = pytest.mark.slow

ASSETS = ["shown_lists", "outcomes", "answer_drift"]
MINUTE = 60


@pytest.fixture
def day(pipeline: Pipeline) -> Iterator[str]:
    """The day before the last landed one. The log and the three assets are empty again after the test."""
    yield (date.fromisoformat(pipeline.day) - timedelta(days=1)).isoformat()
    empty_log(pipeline)
    for asset in ASSETS:
        for key in pipeline.store.partitions(asset):
            pipeline.store.remove(asset, key)


def empty_log(pipeline: Pipeline) -> None:
    bucket = Bucket(pipeline.settings.artifacts)
    bucket.delete([one.key for one in bucket.objects("answers/")])


def first_interactions(pipeline: Pipeline, day: str) -> pl.DataFrame:
    """Returns the first interaction of each user on a day."""
    raw = pl.read_parquet(pipeline.artifact("raw_interactions", day) / "interactions.parquet")
    return raw.unique("user_id", keep="first", maintain_order=True)


def show(pipeline: Pipeline, requests: pl.DataFrame, item: int, device: int) -> None:
    """Logs an answer for each request (user_id, item_id, timestamp): the item of the request after another item."""
    rows = [
        (
            new_ids(1, 1000 * at)[0],
            1000 * at,
            user,
            "bundle",
            "",
            device,
            at,
            False,
            "",
            [item, chosen],
            [0.3, 0.2],
            b"",
        )
        for user, chosen, at in requests.select("user_id", "item_id", "timestamp").iter_rows()
    ]
    log = AnswerLog.of(pipeline.settings, "test")
    log.append(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    assert log.write(now=True)


def run_outcomes(day: str) -> "ExecuteInProcessResult":
    """Runs the job with its check."""
    result = definitions().resolve_job_def("outcome_update").execute_in_process(partition_key=day)
    assert result.success
    return result


def metadata_of(result: ExecuteInProcessResult, asset: str) -> dict[str, object]:
    (event,) = result.asset_materializations_for_node(asset)
    return {name: value.value for name, value in event.metadata.items()}


def test_interactions_after_an_answer_count_up_to_a_day_later(pipeline: Pipeline, day: str) -> None:
    midnight = int(datetime.combine(date.fromisoformat(pipeline.day), datetime.min.time(), UTC).timestamp())
    never_chosen = 2**30
    today = first_interactions(pipeline, day).head(40).with_columns(pl.col("timestamp") - MINUTE)
    today = today.filter(pl.col("timestamp") >= midnight - 24 * 60 * MINUTE)
    tomorrow = first_interactions(pipeline, pipeline.day).filter(~pl.col("user_id").is_in(today["user_id"].implode()))
    tomorrow = tomorrow.head(30).with_columns(timestamp=pl.lit(midnight - MINUTE, pl.Int64))
    show(pipeline, pl.concat([today, tomorrow]), never_chosen, 0)
    result = run_outcomes(day)
    shown = pl.read_parquet(pipeline.artifact("shown_lists", day) / "lists.parquet")
    assert shown.height == 2 * (today.height + tomorrow.height)
    outcomes = pl.read_parquet(pipeline.artifact("outcomes", day) / "outcomes.parquet")
    expected = pl.concat([today, tomorrow]).select("user_id", "item_id").sort("user_id")
    assert outcomes.select("user_id", "item_id").sort("user_id").equals(expected)
    assert outcomes["position"].unique().to_list() == [2]
    rates = pl.read_parquet(pipeline.artifact("outcomes", day) / "rates.parquet")
    assert rates.filter(by="position", kind="any").select("value", "rate").rows() == [("1", 0.0), ("2", 1.0)]
    metadata = metadata_of(result, "outcomes")
    assert metadata["window has landed"] and metadata["counted up to"] == pipeline.day
    before = [d for d in pipeline.store.partitions("raw_interactions") if d < day]
    trained = pl.read_parquet([pipeline.artifact("raw_interactions", d) / "interactions.parquet" for d in before])
    new = ~pl.concat([today, tomorrow])["item_id"].is_in(trained["item_id"].unique().implode())
    assert metadata["new_items"] == pytest.approx((1 + new.mean()) / 2)  # type: ignore[operator]
    assert all(str(metadata[f"by {by}"]).startswith("![") for by in ("position", "category", "bundle", "day"))

    empty_log(pipeline)
    digests = [pipeline.artifact(asset, day).digest for asset in ASSETS]
    run_outcomes(day)
    assert [pipeline.artifact(asset, day).digest for asset in ASSETS] == digests, "the day keeps its rows"


def test_a_client_that_sends_another_device_makes_a_check_warn(pipeline: Pipeline, day: str) -> None:
    show(pipeline, first_interactions(pipeline, day), 1, 2)
    (check,) = run_outcomes(day).get_asset_check_evaluations()
    assert not check.passed and check.severity == AssetCheckSeverity.WARN
    assert check.description is not None
    assert re.search(rf"^{day}: device_type has PSI \d\.\d\d \(mobile: \d\d% to 0%\)", check.description)
    assert "raise REC_MAX_DRIFT (0.2)" in check.description
    drift = pl.read_parquet(pipeline.artifact("answer_drift", day) / "drift.parquet")
    assert drift.filter("drifted")["feature"].to_list() == ["device_type"]


def test_a_day_without_answers_costs_an_empty_file(pipeline: Pipeline, day: str) -> None:
    result = run_outcomes(day)
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    assert metadata_of(result, "outcomes")["answers"] == 0
