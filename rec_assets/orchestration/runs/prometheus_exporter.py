"""Exports metrics of the asset graph and of the event stream to Prometheus.

The metrics are the age of the live bundle and of the online features, the canary and the last stop of a bundle, failed
partitions, and the workers' backlog.
`python -m rec_assets.orchestration.runs.prometheus_exporter` serves them on port 9100. Does not export requests and
degraded answers: Triton exports them.
"""

import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

from dagster import AssetKey, DagsterInstance, Definitions
from prometheus_client import start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import REGISTRY, Collector

from rec_assets.bundles.canary_record import read_canary
from rec_assets.bundles.live_record import find_live
from rec_assets.common.concurrency.loop import FAILURES, HELP, LAST_SUCCESS, loop_states
from rec_assets.common.errors import ActionableError
from rec_assets.realtime.stream import EventStream
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.stores import open_store

PORT = 9100
LIVE_AS_OF = "rec_live_bundle_as_of_timestamp_seconds"
FEATURES = "rec_online_features_as_of_timestamp_seconds"
STOPPED, CANARY_SHARE = "rec_bundle_stopped_timestamp_seconds", "rec_canary_share"
FAILED = "rec_failed_partitions"
WAITING, DEAD, WORKERS = "rec_events_waiting", "rec_events_dead", "rec_workers"

logger = logging.getLogger(__name__)


class GraphCollector(Collector):
    """Reads the artifact store and Dagster's event log at every scrape."""

    def __init__(self, settings: Settings, defs: Definitions, instance: DagsterInstance) -> None:
        self._store: ArtifactStore = open_store(settings)
        self._graph = defs.resolve_asset_graph()
        self._instance = instance

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields the gauges. Without a live bundle or online features, the gauge of their age is missing."""
        live = find_live(self._store)
        if live is not None:
            yield GaugeMetricFamily(LIVE_AS_OF, "End of the as-of day of the live bundle", _end(live.as_of))
        canary = read_canary(self._store)
        share = 0.0 if canary.running is None else canary.running.share
        yield GaugeMetricFamily(CANARY_SHARE, "Share of the users that the candidate of a canary answers", share)
        if canary.stopped_at is not None:
            text = "Time when a canary was stopped or a promotion rolled back for the last time"
            yield GaugeMetricFamily(STOPPED, text, canary.stopped_at.timestamp())
        days = self._store.partitions("online_features")
        if days:
            value = _end(date.fromisoformat(days[-1]))
            yield GaugeMetricFamily(FEATURES, "End of the last day whose features are in Valkey", value)
        failed = GaugeMetricFamily(FAILED, "Partitions whose last materialization failed", labels=["asset"])
        for key in self._graph.get_all_asset_keys():
            failed.add_metric([key.to_user_string()], self._failed(key))
        yield failed

    def _failed(self, key: AssetKey) -> int:
        definition = self._graph.get(key).partitions_def
        if definition is None:
            return 0
        status = self._instance.get_status_by_partition(key, definition.get_partition_keys(), definition)
        return sum(one is not None and one.name == "FAILED" for one in (status or {}).values())


class LoopCollector(Collector):
    """Reads the states of the loops of this home at every scrape."""

    def __init__(self, settings: Settings) -> None:
        self._home = settings.home

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields the gauges."""
        failures = GaugeMetricFamily(FAILURES, HELP[FAILURES], labels=["loop"])
        succeeded = GaugeMetricFamily(LAST_SUCCESS, HELP[LAST_SUCCESS], labels=["loop"])
        for state in loop_states(self._home):
            failures.add_metric([state.name], state.failures)
            succeeded.add_metric([state.name], state.succeeded)
        yield from (failures, succeeded)


class StreamCollector(Collector):
    """Reads the backlog of the event stream from Valkey at every scrape. Yields no gauges while Valkey is down."""

    def __init__(self, settings: Settings) -> None:
        self._stream = EventStream.connect(settings)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yields the gauges."""
        try:
            state = self._stream.state()
        except ActionableError as error:
            logger.warning("%s", error)
            return
        yield GaugeMetricFamily(WAITING, "Events that no worker has applied yet", state.waiting + state.taken)
        yield GaugeMetricFamily(DEAD, "Dead letters in {events}:dead", state.dead)
        yield GaugeMetricFamily(WORKERS, "Workers that read events within the last 3 seconds", state.workers)


def _end(day: date) -> float:
    return datetime.combine(day + timedelta(days=1), datetime.min.time(), UTC).timestamp()


def main() -> None:
    """Serves metrics until the process ends."""
    from rec_assets.orchestration.build import build_defs

    with DagsterInstance.get() as instance:
        REGISTRY.register(GraphCollector(get_settings(), build_defs(get_settings()), instance))
        REGISTRY.register(StreamCollector(get_settings()))
        REGISTRY.register(LoopCollector(get_settings()))
        server, thread = start_http_server(PORT)
        try:
            thread.join()
        finally:
            server.shutdown()


if __name__ == "__main__":
    main()
