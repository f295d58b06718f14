import sys
from contextlib import suppress

import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.common.traces import tracing
from rec_assets_tests.collector import running_collector
from rec_assets_tests.servers import free_port

SPANS = 5000  # more than the queue of spans holds


def work(name: str) -> None:
    with tracing.new_trace(name, {"rec.events": 2}), tracing.span("part"):
        pass


def test_without_an_endpoint_nothing_is_measured() -> None:
    with tracing.traces("test", "", 1.0), tracing.continued(iter(()), "batch", {}), tracing.span("part"):
        assert tracing.headers() is None and tracing.provider() is None


def test_blocks_become_spans_with_their_parents_and_errors() -> None:
    with running_collector() as collector, tracing.traces("test", f"{collector.endpoint}/", 1.0):
        work("good")
        with suppress(KeyError), tracing.new_trace("bad", {}):
            assert tracing.headers() is not None
            with tracing.call("valkey", {"db.system.name": "valkey"}):
                raise KeyError("a bug")
        with tracing.span("no part of a trace"):
            assert tracing.headers() is None
        tracing.stop()
    found = {one.name: one for one in collector.spans}
    assert sorted(found) == ["bad", "good", "part", "valkey"]
    assert (found["part"].parent, found["valkey"].parent) == (found["good"].id, found["bad"].id)
    assert {name for name, one in found.items() if one.failed} == {"bad", "valkey"}
    assert {one.service for one in found.values()} == {"test"}


def test_a_share_of_the_traces_is_recorded_as_a_whole() -> None:
    with running_collector() as collector, tracing.traces("test", collector.endpoint, 0.5):
        for _ in range(200):
            work("one")
        tracing.stop()
    names = [one.name for one in collector.spans]
    assert 0 < names.count("one") == names.count("part") < 200


def test_without_a_collector_spans_are_dropped_and_no_block_fails(caplog: pytest.LogCaptureFixture) -> None:
    with tracing.traces("test", f"http://127.0.0.1:{free_port()}", 1.0):
        for _ in range(SPANS):
            work("one")
    assert any("dropping" in line.lower() for line in caplog.messages)


def test_a_missing_library_is_named_with_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rec_assets.common.traces.open_telemetry", None)
    with pytest.raises(ActionableError, match=r"rec_assets\[tracing\]"):
        tracing.start("test", "http://localhost:4318", 1.0)
