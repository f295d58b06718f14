"""Private parts of Dagster. No other module imports from `dagster._core`."""

from collections.abc import Sequence

from dagster import AssetKey, DagsterInstance, Definitions, EventLogEntry
from dagster._core.definitions.data_version import (
    DATA_VERSION_TAG,
    CachingStaleStatusResolver,
    StaleStatus,
    extract_data_version_from_entry,
)
from dagster._core.loader import LoadingContextForTest
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import ASSET_RESUME_RETRY_TAG, RESUME_RETRY_TAG

__all__ = ["DATA_VERSION_TAG", "FROM_FAILURE", "NOT_FINISHED_STATUSES", "StaleMarks", "data_version_of"]

# Tags of a run that continues a failed run.
FROM_FAILURE = (RESUME_RETRY_TAG, ASSET_RESUME_RETRY_TAG)


def data_version_of(entry: EventLogEntry) -> str | None:
    """Returns the data version of a materialization event."""
    version = extract_data_version_from_entry(entry)
    return None if version is None else version.value


class StaleMarks:
    """The marks "missing" and "stale" that the Dagster UI shows."""

    def __init__(self, defs: Definitions, instance: DagsterInstance) -> None:
        """Prepares the marks.

        Args:
            defs: the code location.
            instance: the instance that records materializations.
        """
        self.graph = defs.resolve_asset_graph()
        self._instance = instance
        self._resolver = CachingStaleStatusResolver(instance, self.graph, LoadingContextForTest(instance))

    def has_failed_blocking_check(self, key: AssetKey) -> bool:
        """Returns True if the last result of a blocking check of an asset is a failure."""
        keys = [one for one in self.graph.get_check_keys_for_assets({key}) if self.graph.get(one).blocking]
        records = self._instance.event_log_storage.get_latest_asset_check_execution_by_key(keys)
        return any(record.status == AssetCheckExecutionRecordStatus.FAILED for record in records.values())

    def stale(self, key: AssetKey, days: Sequence[str | None]) -> list[str | None]:
        """Returns the missing or stale partitions among `days`; `[None]` for an unpartitioned asset."""
        return [day for day in days if self._resolver.get_status(key, day) != StaleStatus.FRESH]
