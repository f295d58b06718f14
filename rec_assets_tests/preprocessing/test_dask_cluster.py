"""NVTabular on two Dask workers gives the same files as in one process."""

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from distributed import Client, LocalCluster

from rec_assets.common.errors import ActionableError
from rec_assets.preprocessing.dask_cluster import dask_workers
from rec_assets.preprocessing.fit import fit_workflows, transform_rows
from rec_assets_tests.pipeline import Pipeline
from rec_assets_tests.servers import free_port


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def work_done(scheduler: str) -> dict[str, int]:
    """Returns whether it has finished tasks since its start, for each worker."""
    with Client(scheduler, set_as_default=False) as client:
        return client.run(lambda dask_worker: sum(dask_worker.state.task_counter.cumulative_elapsed().values()) > 0)


def made(scheduler: str, pipeline: Pipeline, folder: Path) -> Path:
    rows = [
        pipeline.artifact("joined_interactions", day) / "rows.parquet"
        for day in pipeline.store.partitions("joined_interactions")[:3]
    ]
    folder.mkdir()
    with dask_workers(scheduler):
        fit_workflows(rows[:2], pipeline.artifact("nvt_workflows") / "items.parquet", folder)
        assert transform_rows(folder, rows, folder / "rows") > 5_000
    return folder


@pytest.mark.slow
def test_two_workers_and_days_at_once_give_the_rows_of_one_process_day_by_day(
    scheduler: str, pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = made(scheduler, pipeline, tmp_path / "shared")
    monkeypatch.setattr("rec_assets.preprocessing.fit.ROWS_AT_ONCE", 1)
    alone = made("", pipeline, tmp_path / "alone")
    assert all(work_done(scheduler).values())
    assert (shared / "lookups.npz").read_bytes() == (alone / "lookups.npz").read_bytes()
    assert [len(list((folder / "rows").iterdir())) for folder in (shared, alone)] == [1, 3]
    ours, theirs = (pl.read_parquet(sorted((folder / "rows").iterdir())) for folder in (shared, alone))
    assert ours.equals(theirs)


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rec_assets.preprocessing.dask_cluster.CONNECT_S", "1s")
    address = f"tcp://127.0.0.1:{free_port()}"
    with pytest.raises(ActionableError, match=address) as refusal, dask_workers(address):
        pass
    assert "REC_DASK_SCHEDULER" in refusal.value.next_step
