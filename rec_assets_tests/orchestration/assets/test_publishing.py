"""A failed run over a range of days resumes at the failed day. A new run rebuilds all days."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from rec_assets.orchestration.assets.publishing import publish
from rec_assets.orchestration.dagster_internals import FROM_FAILURE
from rec_assets.orchestration.resources import Artifacts

DAYS = ["2025-03-03", "2025-03-04", "2025-03-05"]
WHOLE_RANGE = {"dagster/asset_partition_range_start": DAYS[0], "dagster/asset_partition_range_end": DAYS[-1]}


class Shop:
    """An asset of three days that records the days it builds. Fails once, at the day `fails_at`."""

    def __init__(self, root: Path, retries: int = 0) -> None:
        self.made: list[str] = []
        self.fails_at: str | None = None
        self.text = "first"

        @dg.asset(
            partitions_def=dg.DailyPartitionsDefinition(start_date=DAYS[0], end_date="2025-03-06"),
            backfill_policy=dg.BackfillPolicy.single_run(),
            retry_policy=dg.RetryPolicy(max_retries=retries),
        )
        def rows(context: dg.AssetExecutionContext, artifacts: Artifacts) -> dg.MaterializeResult[None]:
            return publish(context, artifacts, self.write)

        artifacts = Artifacts(root=str(root))
        job = dg.define_asset_job("days", [rows])
        defs = dg.Definitions([rows], jobs=[job], executor=dg.in_process_executor, resources={"artifacts": artifacts})
        self.job, self.store = defs.resolve_job_def("days"), artifacts.store()
        self.instance = dg.DagsterInstance.ephemeral()

    def write(self, out: Path, day: str) -> dict[str, Any]:
        if day == self.fails_at:
            self.fails_at = None
            raise RuntimeError("failed as planned")
        self.made.append(day)
        (out / "rows.txt").write_text(f"{self.text} {day}")
        return {}

    def run(self, after: str | None = None, **tags: str) -> dg.DagsterRun:
        """Runs all days, as a re-execution of the run `after` if given; returns the run."""
        run = self.instance.create_run_for_job(
            self.job, tags=WHOLE_RANGE | tags, root_run_id=after, parent_run_id=after
        )
        execute_run(InMemoryJob(self.job), run, self.instance)
        finished = self.instance.get_run_by_id(run.run_id)
        assert finished is not None
        return finished

    def kept(self, day: str) -> bool:
        """Returns True if the last materialization of a day kept an artifact of the failed attempt."""
        (record,) = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey("rows"), asset_partitions=[day]), limit=1
        ).records
        return record.asset_materialization is not None and "kept" in record.asset_materialization.metadata

    def versions(self) -> set[str | None]:
        """Returns the data versions of the three days in Dagster."""
        records = [self.instance.get_latest_data_version_record(dg.AssetKey("rows"), partition_key=d) for d in DAYS]
        entries = [None if one is None else one.event_log_entry.asset_materialization for one in records]
        return {None if one is None or one.tags is None else one.tags["dagster/data_version"] for one in entries}


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    yield Shop(tmp_path)


@pytest.mark.parametrize("tag", FROM_FAILURE)
def test_a_run_from_failure_keeps_the_days_of_the_failed_run(shop: Shop, tag: str) -> None:
    shop.fails_at = DAYS[1]
    failed = shop.run()
    assert not failed.is_success and shop.made == DAYS[:1]
    assert shop.run(failed.run_id, **{tag: "true"}).is_success
    assert shop.made == DAYS
    assert len(shop.versions()) == 1 and None not in shop.versions()
    assert [shop.kept(day) for day in DAYS] == [True, False, False]


def test_a_retried_step_keeps_its_finished_days(tmp_path: Path) -> None:
    shop = Shop(tmp_path, retries=1)
    shop.fails_at = DAYS[2]
    assert shop.run().is_success
    assert shop.made == DAYS


@pytest.mark.parametrize("related", [True, False], ids=["re-execution", "new run"])
def test_a_new_run_rebuilds_all_days(shop: Shop, related: bool) -> None:
    first = shop.run()
    shop.text = "second"
    before = shop.versions()
    assert shop.run(first.run_id if related else None).is_success
    assert shop.made == 2 * DAYS
    assert (shop.store.get("rows", DAYS[0]) / "rows.txt").read_text() == f"second {DAYS[0]}"
    assert before.isdisjoint(shop.versions())


def test_content_of_a_failed_run_gets_a_new_data_version(shop: Shop) -> None:
    shop.run()
    before = shop.versions()
    shop.text, shop.fails_at = "second", DAYS[2]
    shop.run()  # writes two days; Dagster records none of them
    shop.run()
    assert before.isdisjoint(shop.versions())
    now = shop.versions()
    shop.run()
    assert shop.versions() == now
