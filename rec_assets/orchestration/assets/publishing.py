"""Publishes an asset: one artifact a partition, the content hash as its data version."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster import AssetExecutionContext, DataVersion, Failure, MaterializeResult

# Dagster tells the version of a record, and whether a run goes on from a failed one, under no public name.
from dagster._core.definitions.data_version import extract_data_version_from_entry
from dagster._core.storage.tags import ASSET_RESUME_RETRY_TAG, RESUME_RETRY_TAG

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.peak_memory import forget_peak, peak_mb, release_memory
from rec_assets.orchestration.resources import Artifacts
from rec_assets.storage.artifact_store import UNPARTITIONED, Artifact, ArtifactStore

FROM_FAILURE = (RESUME_RETRY_TAG, ASSET_RESUME_RETRY_TAG)
OWNERS = ["team:recommendations"]

# Fills a directory for a partition key (or "all") and returns metadata for the UI.
Write = Callable[[Path, str], Mapping[str, Any]]


def publish(context: AssetExecutionContext, artifacts: Artifacts, write: Write) -> MaterializeResult[None]:
    """Publishes every partition of the run and returns the result for Dagster.

    The data version follows the content, so a rebuild that changes nothing leaves what is downstream fresh. A run that
    goes on where another failed keeps the days that the other published before it came to its end.
    """
    release_memory()
    store = artifacts.store()
    asset = context.asset_key.path[-1]
    keys = [UNPARTITIONED] if context.assets_def.partitions_def is None else context.partition_keys
    run = context.run.root_run_id or context.run.run_id
    goes_on = context.retry_number > 0 or any(context.run.tags.get(tag) == "true" for tag in FROM_FAILURE)
    published: list[Artifact] = []
    for number, key in enumerate(keys, start=1):
        started = time.monotonic()
        forget_peak()
        done = store.find(asset, key) if goes_on else None
        if done is not None and done.run == run:
            artifact, metadata = done, dict[str, Any](kept="from the attempt before this one")
        else:
            artifact, metadata = _made(store, asset, key, run, write)
        metadata |= {
            "path": str(artifact.path),
            "digest": artifact.digest,
            "bytes": sum(f.stat().st_size for f in artifact.path.rglob("*") if f.is_file()),
            "seconds": round(time.monotonic() - started, 2),
            "peak_memory_mb": peak_mb(),
        }
        context.add_asset_metadata(metadata, partition_key=_partition(artifact))
        if len(keys) > 1:
            context.log.info(f"{key}: {number} of {len(keys)} days, {metadata['seconds']} s")
        published.append(artifact)
    return MaterializeResult(data_version=_recorded(context, published) or _version_of(published))


def _made(store: ArtifactStore, asset: str, key: str, run: str, write: Write) -> tuple[Artifact, dict[str, Any]]:
    try:
        with store.publish(asset, key, run) as draft:
            metadata = dict(write(draft.path, key))
    except ActionableError as error:
        # Bad input does not get better by trying again.
        raise Failure(str(error), allow_retries=False) from error
    return draft.published, metadata


def _version_of(published: Sequence[Artifact]) -> DataVersion:
    digests = [artifact.digest for artifact in published]
    return DataVersion(digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest())


def _recorded(context: AssetExecutionContext, published: Sequence[Artifact]) -> DataVersion | None:
    """Returns the version that Dagster knows this very content by, None where it knows another, or none in common.

    Dagster records one version for all days of a run: a day that is made again alone must not look like another.
    """
    versions = set()
    for artifact in published:
        record = context.instance.get_latest_data_version_record(context.asset_key, partition_key=_partition(artifact))
        known = None if record is None else record.event_log_entry.asset_materialization
        digest = None if known is None else known.metadata.get("digest")
        if record is None or digest is None or digest.value != artifact.digest:
            return None
        versions.add(extract_data_version_from_entry(record.event_log_entry))
    return versions.pop() if len(versions) == 1 else None


def _partition(artifact: Artifact) -> str | None:
    return None if artifact.partition == UNPARTITIONED else artifact.partition


def only(context: AssetExecutionContext) -> str:
    """Returns the one partition key of a run; raises ActionableError for a range, which a training does not take."""
    if len(context.partition_keys) != 1:
        raise ActionableError(
            f"{context.asset_key.to_user_string()} was asked for {len(context.partition_keys)} days in one run.",
            "Launch one run a day (a backfill does).",
        )
    return context.partition_key
