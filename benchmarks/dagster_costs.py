"""Reads time and memory of assets and runs from Dagster's records, and the size of a home on disk."""

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
    """Cost of an asset over all its partitions: seconds, and peak memory of the process in MB."""

    seconds: float
    peak_mb: float


def costs(settings: Settings, days: Collection[str | None]) -> dict[str, Cost]:
    """Returns the cost of each asset, in the order of materialization. Only the last materialization of a day counts.

    Args:
        settings: the settings with the home to read.
        days: partition keys to include; None includes unpartitioned assets.
    """
    prepare_dagster_home(settings)
    by_asset: dict[str, Cost] = {}
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
                before = by_asset.get(asset, Cost(0, 0))
                seconds, peak = float(metadata["seconds"].value), float(metadata["peak_memory_mb"].value)
                by_asset[asset] = Cost(before.seconds + seconds, max(before.peak_mb, peak))
    return by_asset


def run_seconds(settings: Settings, jobs: Collection[str]) -> float:
    """Returns the total seconds of all successful runs of some jobs, checks included."""
    prepare_dagster_home(settings)
    with DagsterInstance.get() as instance:
        records = instance.get_run_records(RunsFilter(statuses=[DagsterRunStatus.SUCCESS]))
        return sum((one.end_time or 0) - (one.start_time or 0) for one in records if one.dagster_run.job_name in jobs)


def last_run_seconds(settings: Settings, job: str) -> float:
    """Returns the seconds of the last successful run of a job, checks included."""
    prepare_dagster_home(settings)
    with DagsterInstance.get() as instance:
        (record,) = instance.get_run_records(RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS]), limit=1)
        return (record.end_time or 0) - (record.start_time or 0)


def exponent(sizes: Mapping[int, float]) -> float | None:
    """Fits `value = c · rows ** exponent`. Returns None for fewer than two sizes, or a value of 0."""
    if len(sizes) < 2 or min(sizes.values()) <= 0:
        return None
    rows, values = (np.log(np.array(list(part), np.float64)) for part in (sizes.keys(), sizes.values()))
    return float(np.polyfit(rows, values, 1)[0])


def left(home: Path) -> dict[str, int]:
    """Returns bytes on disk of the artifacts and of Dagster's records. A hard-linked file counts once."""
    sizes = {}
    for part, folder in {"artifacts": home / "artifacts", "Dagster's records": home / "dagster"}.items():
        files = {(stat.st_dev, stat.st_ino): stat.st_size for f in folder.rglob("*") if (stat := f.lstat())}
        sizes[part] = sum(files.values())
    return sizes
