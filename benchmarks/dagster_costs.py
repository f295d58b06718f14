"""Reads time and memory of assets and runs from Dagster's records, and their size on the disk."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.settings import Settings


@dataclass(frozen=True)
class Cost:
    """Cost of an asset over all its partitions: seconds, and the largest memory of the process meanwhile, MB."""

    seconds: float
    peak_mb: float


def costs(settings: Settings, days: Collection[str | None]) -> dict[str, Cost]:
    """Returns what each asset took for these days, in the order they were made, its last materialization of a day.

    None stands for what is not of a day.
    """
    prepare_dagster_home(settings)
    found: dict[str, Cost] = {}
    with DagsterInstance.get() as instance:
        events = [
            (key.to_user_string(), record)
            for key in instance.all_asset_keys()
            for record in instance.fetch_materializations(key, limit=1_000).records
        ]
        latest: dict[tuple[str, str | None], Any] = {}
        for asset, record in sorted(events, key=lambda one: one[1].storage_id):
            latest[asset, record.partition_key] = record
        for (asset, _), record in sorted(latest.items(), key=lambda one: one[1].storage_id):
            metadata = record.asset_materialization.metadata
            if "peak_memory_mb" in metadata and record.partition_key in days:
                before = found.get(asset, Cost(0, 0))
                seconds, peak = float(metadata["seconds"].value), float(metadata["peak_memory_mb"].value)
                found[asset] = Cost(before.seconds + seconds, max(before.peak_mb, peak))
    return found


def run_seconds(settings: Settings, jobs: Collection[str]) -> float:
    """Returns how long all runs of some jobs took that succeeded, their checks among them."""
    prepare_dagster_home(settings)
    with DagsterInstance.get() as instance:
        records = instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.SUCCESS]))
        return sum((one.end_time or 0) - (one.start_time or 0) for one in records if one.dagster_run.job_name in jobs)


def last_run_seconds(settings: Settings, job: str) -> float:
    """Returns how long the last run of a job took that succeeded, its checks among it."""
    prepare_dagster_home(settings)
    with DagsterInstance.get() as instance:
        (record,) = instance.get_run_records(RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS]), limit=1)
        return (record.end_time or 0) - (record.start_time or 0)


def exponent(sizes: Mapping[int, float]) -> float | None:
    """Fits `value = c · rows ** exponent`; None where fewer than two values are worth it."""
    if len(sizes) < 2 or min(sizes.values()) <= 0:
        return None
    rows, values = (np.log(np.array(list(part), np.float64)) for part in (sizes.keys(), sizes.values()))
    return float(np.polyfit(rows, values, 1)[0])


def left(home: Path) -> dict[str, int]:
    """Returns bytes on the disk by what keeps them; a file that lies in two places counts once."""
    sizes = {}
    for what, folder in {"artifacts": home / "artifacts", "Dagster's records": home / "dagster"}.items():
        files = {(found.st_dev, found.st_ino): found.st_size for f in folder.rglob("*") if (found := f.lstat())}
        sizes[what] = sum(files.values())
    return sizes
