"""Measures how soon a click changes the next answer, and how many events a worker applies, on the running servers.

Everything shares this machine's cores: Triton, Valkey, one worker, and this script. Start them with `rec up`.
"""

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from rec_assets.cli.local.worker import Worker
from rec_assets.common.errors import ActionableError
from rec_assets.common.silence import silence_deprecations
from rec_assets.features.store import online
from rec_assets.realtime.events import Event
from rec_assets.serving.client import Client
from rec_assets.settings import Settings, get_settings
from rec_assets.storefront.catalog import Catalog

NEWCOMERS = 1_500_000_000  # users nobody knows: a first click always changes their features
POLL_S = 0.0005
PATIENCE_S = 5.0
TICK_S = 0.02


@dataclass(frozen=True)
class Latency:
    """Milliseconds from `record` to the new feature, and to an answer without the item, under a load of events."""

    events_per_second: float
    probes: int
    feature_p50: float
    feature_p99: float
    answer_p50: float
    answer_p99: float


@dataclass(frozen=True)
class Throughput:
    """Throughput of the worker: the most events that waited at a rate, and how fast it applies a backlog.

    `processor_ms` is what the worker's process used for each of the many, which other programs do not change.
    """

    events_per_second: float
    seconds: float
    waiting_at_most: int
    waiting_at_the_end: int
    capacity_per_second: float
    processor_ms: float


class Load:
    """Sends events of regular users at a steady rate, until the block ends."""

    def __init__(self, settings: Settings, rate: float, users: range | None = None) -> None:
        """Takes events a second, and whose they are: everyone's if left out."""
        self._client, self._rate, self._stop = Client(settings), rate, threading.Event()
        self._users = users or range(1, settings.retail_users + 1)
        catalog = Catalog(settings)
        self._items = np.array(sorted(catalog.items()))
        self._rng = np.random.default_rng(0)
        self._thread = threading.Thread(target=self._run)
        self.sent, self.seconds = 0, 0.0

    def __enter__(self) -> "Load":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def events(self, count: int) -> list[Event]:
        """Draws events of now."""
        users = self._rng.integers(self._users.start, self._users.stop, count).tolist()
        items = self._rng.choice(self._items, count).tolist()
        now = int(time.time())
        return [Event(user_id=user, item_id=item, at=now) for user, item in zip(users, items, strict=True)]

    def _run(self) -> None:
        start = time.perf_counter()
        while not self._stop.is_set():
            due = int((time.perf_counter() - start) * self._rate) - self.sent
            if due > 0:
                self._client.events.send(self.events(due))
                self.sent += due
            self._stop.wait(TICK_S)
        self.seconds = time.perf_counter() - start


def measure_latency(settings: Settings, rate: float, probes: int, users: range | None = None) -> Latency:
    """Has newcomers click what they see first, and looks until it has changed something."""
    client, store = Client(settings), online.open_store(settings, online.BULK_TIMEOUT)
    first = NEWCOMERS + int(time.time()) % 10_000_000 * 40
    features, answers = [], []
    with Load(settings, rate, users) as load:
        time.sleep(1)
        for user in range(first, first + probes):
            item = int(client.recommend(user, "mobile", k=10).item_ids[0])
            start = time.perf_counter()
            client.record(user, [item], device_type="mobile")
            _until(lambda: online.read_users(store, np.array([user])).columns["top_category"][0] >= 0)  # noqa: B023
            features.append(time.perf_counter() - start)
            _until(lambda: item not in client.recommend(user, "mobile", k=10).item_ids)  # noqa: B023
            answers.append(time.perf_counter() - start)
            time.sleep(0.02)
    at = [1000 * float(np.quantile(times, q)) for times in (features, answers) for q in (0.5, 0.99)]
    return Latency(load.sent / load.seconds, probes, *at)


def measure_throughput(
    settings: Settings, rate: float, seconds: float, many: int, users: range | None = None
) -> Throughput:
    """Sends at a rate and watches what waits; then sends many at once and takes the time until none does."""
    stream, waiting = Client(settings).events, []

    def backlog() -> int:
        state = stream.state()
        return state.waiting + state.taken

    with Load(settings, rate, users) as load:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(0.25)
            waiting.append(backlog())
    _until(lambda: backlog() == 0, 60)
    for _ in range(many // 1000):
        stream.send(load.events(1000))
    left, start, used = backlog(), time.perf_counter(), _processor_seconds(settings)
    _until(lambda: backlog() == 0, 120)
    capacity = left / (time.perf_counter() - start)
    used = 1000 * (_processor_seconds(settings) - used) / left
    return Throughput(load.sent / load.seconds, seconds, max(waiting), waiting[-1], capacity, used)


def _processor_seconds(settings: Settings) -> float:
    process = Worker(settings).process.find()
    if process is None:
        raise ActionableError("No worker of this home runs.", "Start it with `rec up`.")
    times = process.cpu_times()
    return float(times.user + times.system)


def _until(is_so: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not is_so():
        if time.monotonic() > deadline:
            raise ActionableError("What was reported does not arrive.", "See rec status and the log of the worker.")
        time.sleep(POLL_S)


def main(
    rate: Annotated[float, typer.Option(help="Events a second beside the probes.")] = 200,
    probes: Annotated[int, typer.Option(help="Clicks that are followed.")] = 1000,
    high: Annotated[float, typer.Option(help="Events a second that the worker should keep up with.")] = 2000,
    seconds: Annotated[float, typer.Option(help="For how long.")] = 20,
    many: Annotated[int, typer.Option(help="Events to work off at once.")] = 40_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")] = False,
) -> None:
    """Measure the way of an event, and how many the worker takes."""
    silence_deprecations()
    settings = get_settings()
    latency = measure_latency(settings, rate, probes)
    throughput = measure_throughput(settings, high, seconds, many)
    if as_json:
        typer.echo(json.dumps({"latency": asdict(latency), "throughput": asdict(throughput)}))
        return
    table = Table(title=f"From a click to what it changes, {os.cpu_count()} cores", title_justify="left")
    for heading in ("at", "p50", "p99"):
        table.add_column(heading, justify="right")
    for what, p50, p99 in (
        ("new top_category", latency.feature_p50, latency.feature_p99),
        ("gone from the next answer", latency.answer_p50, latency.answer_p99),
    ):
        table.add_row(f"{latency.events_per_second:.0f} events/s: {what}", f"{p50:.0f} ms", f"{p99:.0f} ms")
    console = Console(width=120)
    console.print(table)
    console.print(
        f"At {throughput.events_per_second:.0f} events/s for {throughput.seconds:.0f} s at most "
        f"{throughput.waiting_at_most:,} waited, {throughput.waiting_at_the_end:,} at the end; "
        f"of {many:,} at once one worker takes {throughput.capacity_per_second:,.0f} a second, "
        f"{throughput.processor_ms:.2f} ms of a processor each."
    )


if __name__ == "__main__":
    typer.run(main)
