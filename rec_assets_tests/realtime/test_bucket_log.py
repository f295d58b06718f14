"""The offline log in a bucket: no event is lost with the pod of a worker, or while the bucket cannot be written."""

import signal
import threading
from pathlib import Path

import polars as pl
import pytest

from rec_assets.realtime.log.behavior_log import SCHEMA
from rec_assets.realtime.log.open_log import open_log
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.worker import Worker
from rec_assets.serving.client import Client
from rec_assets.settings import Settings
from rec_assets_tests.realtime.conftest import MORNING
from rec_assets_tests.realtime.state import backlog, drain
from rec_assets_tests.realtime.test_crashes import worker_process
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.servers import free_port
from rec_assets_tests.waiting import wait_until

DAY_S = 86_400
Row = tuple[int, int, int]


def pod(valkey: Settings, tmp_path: Path, name: str, **changes: object) -> Settings:
    """Returns the settings of a pod with a disk of its own."""
    shared = {"home": tmp_path / name, "artifacts": f"s3://{BUCKET}/{tmp_path.name}"}
    return valkey.model_copy(update=shared | changes)


def send(settings: Settings, count: int) -> list[Row]:
    """Records events around midnight; returns user, item and time of each."""
    events = [(number % 5, number % 60, MORNING // DAY_S * DAY_S - count // 2 + number) for number in range(count)]
    client = Client(settings)
    for user, item, at in events:
        client.record(user, [item], at)
    return events


def logged(settings: Settings) -> list[Row]:
    """Returns the events of all days, as `behavioral_updates` reads them."""
    log = open_log(settings)
    return [row for day in log.days() for row in log.read(day).select("user_id", "item_id", "timestamp").iter_rows()]


@pytest.mark.slow
def test_a_pod_that_goes_with_its_disk_loses_no_event(s3: S3, valkey: Settings, tmp_path: Path) -> None:
    first, second, reader = (pod(valkey, tmp_path, name, log_interval_s=0.2) for name in ("first", "second", "step"))
    stream = EventStream.connect(valkey)
    with worker_process(first) as process:
        wait_until(lambda: stream.state().workers)
        events = send(valkey, 400)
        wait_until(lambda: logged(reader))
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert stream.state().taken + stream.state().waiting > 0, "the worker must be killed while events are left"
    assert 0 < len(logged(reader)) < len(events)
    drain(second.model_copy(update={"log_interval_s": 0}), "successor", idle_ms=0)
    assert backlog(valkey) == 0
    assert sorted(logged(reader)) == sorted(events)
    assert open_log(reader).days() == ["2025-03-14", "2025-03-15"]
    assert not list(tmp_path.rglob("*.jsonl"))


def test_events_are_acknowledged_after_they_are_written_and_several_share_an_object(
    s3: S3, valkey: Settings, tmp_path: Path
) -> None:
    worker, stream = Worker(pod(valkey, tmp_path, "pod", log_interval_s=3600), "one"), EventStream.connect(valkey)
    reader = pod(valkey, tmp_path, "step")
    events = send(valkey, 4)
    worker.round(wait_ms=1)
    assert stream.state().taken == 0 and sorted(logged(reader)) == events, "the first ones do not wait for others"
    for _ in range(3):
        more = send(valkey, 2)
        worker.round(wait_ms=1)
    assert stream.state().taken == 6 and sorted(logged(reader)) == events
    stop = threading.Event()
    stop.set()
    worker.run(stop)
    assert stream.state().taken == 0
    assert sorted(logged(reader)) == sorted({*events, *more})


def test_while_the_bucket_cannot_be_written_events_wait_and_none_is_given_up(
    s3: S3, valkey: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, events = EventStream.connect(valkey), send(valkey, 20)
    with monkeypatch.context() as broken:
        broken.setenv("AWS_ENDPOINT_URL_S3", f"http://127.0.0.1:{free_port()}")
        with pytest.raises(OSError, match="Could not write behavior/2025-03-14/"):
            Worker(pod(valkey, tmp_path, "pod"), "one").round(wait_ms=1)
    state = stream.state()
    assert (state.taken, state.dead) == (20, 0)
    drain(pod(valkey, tmp_path, "pod", log_interval_s=0), "one")
    assert backlog(valkey) == 0
    assert sorted(logged(pod(valkey, tmp_path, "step"))) == sorted(events)


def test_a_forgotten_user_leaves_all_objects_of_the_bucket(s3: S3, valkey: Settings, tmp_path: Path) -> None:
    settings = pod(valkey, tmp_path, "worker")
    log = open_log(settings, "worker")
    rows = [(7, 1, MORNING - DAY_S), (7, 2, MORNING), (8, 3, MORNING)]
    events = [(user, item, 0, at, "clicked", -1) for user, item, at in rows]
    log.append(pl.DataFrame(events, schema=SCHEMA, orient="row"))
    assert log.write(now=True)
    assert log.forget({7}) == 2
    assert logged(settings) == [(8, 3, MORNING)]
    assert log.forget({7}) == 0
