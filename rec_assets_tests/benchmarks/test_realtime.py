import pytest

from benchmarks.realtime import measure_latency, measure_throughput
from rec_assets_tests.pipeline import Pipeline

pytestmark = pytest.mark.slow

UNUSED_USERS = range(2_100_000_000, 2_100_000_100)  # users of no other test


def test_the_way_of_an_event_is_measured_to_its_end(pipeline: Pipeline) -> None:
    latency = measure_latency(pipeline.settings, rate=50, probes=5, users=UNUSED_USERS)
    assert latency.probes == 5
    assert 0 < latency.feature_p50 <= latency.feature_p99 <= latency.answer_p99
    assert latency.feature_p50 < latency.answer_p50
    assert 10 < latency.events_per_second <= 51


def test_what_the_worker_takes_is_measured_until_nothing_waits(pipeline: Pipeline) -> None:
    throughput = measure_throughput(pipeline.settings, rate=200, seconds=1, many=2000, users=UNUSED_USERS)
    assert throughput.capacity_per_second > 100
    assert 0 < throughput.processor_ms < 10
    assert 0 <= throughput.waiting_at_the_end <= throughput.waiting_at_most
