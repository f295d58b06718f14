"""Measures the delay from a click to a changed answer, and the throughput of a worker, on the running servers.

Triton, Valkey, one worker and this script share the cores of this machine. Start the servers with `rec up`.
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
from rec_assets.serving.ids import Ids
from rec_assets.settings import Settings, get_settings
from rec_assets.storefront.catalog import Catalog

NEW_USER_IDS = 1_500_000_000  # ids from here on have no events, so a first click always changes their features
POLL_S = 0.0005
PATIENCE_S = 5.0
TICK_S = 0.02


@dataclass(frozen=True)
class Latency:
    """Milliseconds from `record` to the new feature and to the first answer without the item, under load."""

    events_per_second: float
    probes: int
    feature_p50: float
    feature_p99: float
    answer_p50: float
    answer_p99: float


@dataclass(frozen=True)
class Throughput:
    """Throughput of the worker: the backlog at a steady rate, and the speed for a large backlog.

    `processor_ms` is the CPU time of the worker's process per event of the backlog. Other programs do not affect it.
    """

    events_per_second: float
    seconds: float
    waiting_at_most: int
    waiting_at_the_end: int
    capacity_per_second: float
    processor_ms: float


class Load:
    """Sends events of the shop's users at a steady rate, until the block ends."""

    def __init__(self, settings: Settings, rate: float, users: range | None = None) -> None:
        """Prepares the load.

        Args:
            settings: the settings of the running servers.
            rate: events per second.
            users: user ids of the events. Default: all users of the shop.
        """
        self._client, self._rate, self._stop = Client(settings), rate, threading.Event()
        self._users = users or range(1, settings.retail_users + 1)
        catalog = Catalog(settings, Ids(settings))
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
        """Draws events with the current time."""
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
    """Lets new users click the first item of their list, and polls until the feature and the answer change."""
    client, store = Client(settings), online.open_store(settings, online.BULK_TIMEOUT)
    first = NEW_USER_IDS + int(time.time()) % 10_000_000 * 40
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
    """Measures the backlog at a rate of events. Then sends `many` events at once and times their application."""
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
        raise ActionableError(f"No worker runs for {settings.home}.", "Start it with `rec up`.")
    times = process.cpu_times()
    return float(times.user + times.system)


def _until(is_done: Callable[[], object], patience_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + patience_s
    while not is_done():
        if time.monotonic() > deadline:
            raise ActionableError(
                f"The event has no effect after {patience_s:g} s.", "Run `rec status` and check the log of the worker."
            )
        time.sleep(POLL_S)


def main(
    rate: Annotated[float, typer.Option(help="Events per second beside the probes.")] = 200,
    probes: Annotated[int, typer.Option(help="Number of measured clicks.")] = 1000,
    high: Annotated[float, typer.Option(help="Events per second for the throughput.")] = 2000,
    seconds: Annotated[float, typer.Option(help="Duration of the throughput measurement.")] = 20,
    many: Annotated[int, typer.Option(help="Number of events in the large backlog.")] = 40_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for other programs.")] = False,
) -> None:
    """Measures the latency of an event and the throughput of the worker."""
    silence_deprecations()
    settings = get_settings()
    latency = measure_latency(settings, rate, probes)
    throughput = measure_throughput(settings, high, seconds, many)
    if as_json:
        typer.echo(json.dumps({"latency": asdict(latency), "throughput": asdict(throughput)}))
        return
    table = Table(title=f"From a click to its effect, {os.cpu_count()} cores", title_justify="left")
    for heading in ("at", "p50", "p99"):
        table.add_column(heading, justify="right")
    for effect, p50, p99 in (
        ("new top_category", latency.feature_p50, latency.feature_p99),
        ("answer without the item", latency.answer_p50, latency.answer_p99),
    ):
        table.add_row(f"{latency.events_per_second:.0f} events/s: {effect}", f"{p50:.0f} ms", f"{p99:.0f} ms")
    console = Console(width=120)
    console.print(table)
    console.print(
        f"At {throughput.events_per_second:.0f} events/s for {throughput.seconds:.0f} s at most "
        f"{throughput.waiting_at_most:,} events waited, {throughput.waiting_at_the_end:,} at the end. "
        f"From a backlog of {many:,} events one worker applies {throughput.capacity_per_second:,.0f} per second, "
        f"with {throughput.processor_ms:.2f} ms of CPU time each."
    )


if __name__ == "__main__":
    typer.run(main)
