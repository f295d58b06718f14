"""Publishes an asset: one artifact per partition, with a data version from the content hash."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster import AssetExecutionContext, DataVersion, Failure, MaterializeResult

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.dagster_internals import FROM_FAILURE, data_version_of
from rec_assets.orchestration.peak_memory import forget_peak, peak_mb, release_memory
from rec_assets.orchestration.resources import Artifacts
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.versions import UNPARTITIONED

OWNERS = ["team:recommendations"]
PROGRESS_S = 5.0  # between two lines of progress

# Writes the files of a partition (a key or "all") into a folder and returns metadata for the UI.
Write = Callable[[Path, str], Mapping[str, Any]]


def publish(context: AssetExecutionContext, artifacts: Artifacts, write: Write) -> MaterializeResult[None]:
    """Publishes every partition of the run and returns the result for Dagster.

    The data version depends only on the content, so a rebuild without changes leaves downstream assets fresh. A run
    that resumes a failed run keeps the partitions that the failed run has published.

    Example, the body of a daily asset. A run over two days publishes two artifacts and returns one data version:

        def write(out: Path, day: str) -> dict[str, Any]:
            rows = pl.read_parquet(raw_interactions[day] / "interactions.parquet")
            write_frame(rows, out / "rows.parquet")
            return {"rows": rows.height}

        return publish(context, artifacts, write)
    """
    release_memory()
    store = artifacts.store()
    keys = [UNPARTITIONED] if context.assets_def.partitions_def is None else context.partition_keys
    published: list[Artifact] = []
    reported = time.monotonic()
    for number, key in enumerate(keys, start=1):
        started = time.monotonic()
        forget_peak()
        artifact = _from_failed_attempt(context, store, key)
        if artifact is not None:
            metadata: dict[str, Any] = {"kept": "from the failed attempt"}
        else:
            artifact, metadata = _write_partition(context, store, key, write)
        metadata |= {
            "path": str(artifact.path),
            "digest": artifact.digest,
            "bytes": sum(f.stat().st_size for f in artifact.path.rglob("*") if f.is_file()),
            "seconds": round(time.monotonic() - started, 2),
            "peak_memory_mb": peak_mb(),
        }
        context.add_asset_metadata(metadata, partition_key=_partition(artifact))
        # Dagster stores every line.
        if len(keys) > 1 and (number == len(keys) or time.monotonic() - reported >= PROGRESS_S):
            reported = time.monotonic()
            context.log.info(f"{key}: {number} of {len(keys)} days")
        published.append(artifact)
    version = _recorded_version(context, published)
    if version is None:
        version = _version_of(published)
    return MaterializeResult(data_version=DataVersion(version))


def progress_logger(context: AssetExecutionContext, label: str) -> Callable[[int, int], None]:
    """Returns a callback that logs the numbers of finished and of all parts, at most every `PROGRESS_S` seconds."""
    reported = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal reported
        if done == total or time.monotonic() - reported >= PROGRESS_S:
            reported = time.monotonic()
            context.log.info(f"{label}: {done:,} of {total:,}")

    return progress


def _root_run(context: AssetExecutionContext) -> str:
    """Returns the id of the first run of a chain of re-executions; artifacts store this id."""
    return context.run.root_run_id or context.run.run_id


def _from_failed_attempt(context: AssetExecutionContext, store: ArtifactStore, key: str) -> Artifact | None:
    """Returns a partition that a failed attempt of this run has published, None without such an attempt."""
    is_retry = context.retry_number > 0 or any(context.run.tags.get(tag) == "true" for tag in FROM_FAILURE)
    if not is_retry:
        return None
    artifact = store.find(context.asset_key.path[-1], key)
    return artifact if artifact is not None and artifact.run == _root_run(context) else None


def _write_partition(
    context: AssetExecutionContext, store: ArtifactStore, key: str, write: Write
) -> tuple[Artifact, dict[str, Any]]:
    try:
        with store.publish(context.asset_key.path[-1], key, _root_run(context)) as draft:
            metadata = dict(write(draft.path, key))
    except ActionableError as error:
        # Retries do not help against invalid input.
        raise Failure(str(error), allow_retries=False) from error
    return draft.published, metadata


def _version_of(published: Sequence[Artifact]) -> str:
    """Returns the digest of one artifact, or a hash of the digests of several."""
    digests = [artifact.digest for artifact in published]
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _recorded_version(context: AssetExecutionContext, published: Sequence[Artifact]) -> str | None:
    """Returns the data version that Dagster has recorded for this content, None if any content is new.

    Dagster records one data version for all days of a run. Example: a run over 3 and 4 March records version A for both
    days. Then 3 March is rebuilt alone, with the same files. This function returns A, so 3 March does not look changed.
    Without this function, the version would be the digest of 3 March.
    """
    versions = set()
    for artifact in published:
        version = _recorded_version_of(context, artifact)
        if version is None:
            return None
        versions.add(version)
    # Days from different runs can have different versions. Then the run gets a new version.
    return versions.pop() if len(versions) == 1 else None


def _recorded_version_of(context: AssetExecutionContext, artifact: Artifact) -> str | None:
    """Returns the data version of the latest materialization of a partition, None if its content differs."""
    record = context.instance.get_latest_data_version_record(context.asset_key, partition_key=_partition(artifact))
    if record is None:
        return None
    materialization = record.event_log_entry.asset_materialization
    digest = None if materialization is None else materialization.metadata.get("digest")
    if digest is None or digest.value != artifact.digest:
        return None
    return data_version_of(record.event_log_entry)


def _partition(artifact: Artifact) -> str | None:
    return None if artifact.partition == UNPARTITIONED else artifact.partition


def only(context: AssetExecutionContext) -> str:
    """Returns the only partition key of a run; raises ActionableError for a range of days."""
    if len(context.partition_keys) != 1:
        raise ActionableError(
            f"{context.asset_key.to_user_string()} builds one day per run ({len(context.partition_keys)} requested).",
            "Launch one run per day; a backfill does.",
        )
    return context.partition_key
