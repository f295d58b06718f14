"""How an asset publishes: one artifact a partition, the content hash as its data version."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dagster import AssetExecutionContext, DataVersion, Failure, MaterializeResult

# Dagster tells the version of a record under no public name.
from dagster._core.definitions.data_version import extract_data_version_from_entry

from rec_assets.errors import ActionableError
from rec_assets.peak_memory import forget_peak, peak_mb
from rec_assets.resources import Artifacts
from rec_assets.storage import UNPARTITIONED

OWNERS = ["team:recommendations"]

# Fills a directory for a partition key (or "all") and returns metadata for the UI.
Write = Callable[[Path, str], Mapping[str, Any]]


def publish(context: AssetExecutionContext, artifacts: Artifacts, write: Write) -> MaterializeResult[None]:
    """Publishes every partition of the run and returns the result for Dagster.

    The data version follows the content, so a rebuild that changes nothing leaves what is downstream fresh.
    """
    store = artifacts.store()
    asset = context.asset_key.path[-1]
    keys = [UNPARTITIONED] if context.assets_def.partitions_def is None else context.partition_keys
    digests, unchanged = [], []
    for number, key in enumerate(keys, start=1):
        started, before = time.monotonic(), store.find(asset, key)
        forget_peak()
        try:
            with store.publish(asset, key) as draft:
                metadata = dict(write(draft.path, key))
        except ActionableError as error:
            # Bad input does not get better by trying again.
            raise Failure(str(error), allow_retries=False) from error
        artifact = draft.published
        metadata |= {
            "path": str(artifact.path),
            "digest": artifact.digest,
            "bytes": sum(f.stat().st_size for f in artifact.path.rglob("*") if f.is_file()),
            "seconds": round(time.monotonic() - started, 2),
            "peak_memory_mb": peak_mb(),
        }
        context.add_asset_metadata(metadata, partition_key=None if key == UNPARTITIONED else key)
        if len(keys) > 1:
            context.log.info(f"{key}: {number} of {len(keys)} days, {metadata['seconds']} s")
        digests.append(artifact.digest)
        unchanged.append(before is not None and before.digest == artifact.digest)
    version = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return MaterializeResult(
        data_version=(_recorded(context, keys) if all(unchanged) else None) or DataVersion(version)
    )


def _recorded(context: AssetExecutionContext, keys: Sequence[str]) -> DataVersion | None:
    """Returns the version that Dagster knows these partitions by, None where they have none in common.

    Dagster records one version for all days of a run: a day that is made again alone must not look like another.
    """
    versions = set()
    for key in keys:
        partition = None if key == UNPARTITIONED else key
        record = context.instance.get_latest_data_version_record(context.asset_key, partition_key=partition)
        versions.add(None if record is None else extract_data_version_from_entry(record.event_log_entry))
    return versions.pop() if len(versions) == 1 else None


def only(context: AssetExecutionContext) -> str:
    """Returns the one partition key of a run; raises ActionableError for a range, which a training does not take."""
    if len(context.partition_keys) != 1:
        raise ActionableError(
            f"{context.asset_key.to_user_string()} was asked for {len(context.partition_keys)} days in one run.",
            "Launch one run a day (a backfill does).",
        )
    return context.partition_key
