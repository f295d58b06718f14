"""Sends mixed traffic for some minutes to its own Triton: requests, clicks, alternating promotions, changed items.

Prints errors, memory over time and the drift of latency. Exits with 1 if a request failed.
"""

import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import Annotated

import numpy as np
import polars as pl
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.processes import usage
from benchmarks.traffic import free_ports, known_users, live_bundle_here
from rec_assets.bundles.bundle import Bundle, write_bundle
from rec_assets.cli.local.supervision import down, up
from rec_assets.common.errors import ActionableError
from rec_assets.features.store import online
from rec_assets.features.store.views import ITEM_VIEW
from rec_assets.realtime.stores.user_activity import UserActivityStore
from rec_assets.serving.client import Client
from rec_assets.serving.triton import model_repository
from rec_assets.serving.triton.control import server as server_control
from rec_assets.settings import Settings, get_settings

SEEN_EVERY_S, ITEMS_EVERY_S, PROMOTION_EVERY_S, MEMORY_EVERY_S = 0.1, 20.0, 30.0, 5.0
PERIODS = 5


@dataclass
class Log:
    """Pairs of seconds since the start and latency (ms) or memory of all server processes (MB), errors, and counts."""

    latencies: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seen: int = 0
    promotions: int = 0
    item_updates: int = 0
    bundles: set[str] = field(default_factory=set)


class Soak:
    """Mixed traffic, until `stop` is set."""

    def __init__(self, settings: Settings, bundle: Bundle, users: list[int], folder: Path) -> None:
        self.log = Log()
        self.stop = Event()
        self._settings, self._bundle, self._users, self._folder = settings, bundle, users, folder
        self._start = time.monotonic()

    def ask(self, seed: int) -> None:
        """Sends one request after another, and records latencies and errors.

        Args:
            seed: random seed for users and devices.
        """
        client, rng = Client(self._settings), np.random.default_rng(seed)
        while not self.stop.is_set():
            user = int(rng.choice(self._users)) if rng.random() < 0.9 else -1
            try:
                answer = client.recommend(user, int(rng.integers(-1, 3)))
                if not len(answer):
                    raise ActionableError(f"The list of user {user} is empty.", "")
            except Exception as error:  # every kind of error counts
                self.log.errors.append(f"request: {error}")
                continue
            self.log.bundles.add(answer.bundle_id)
            self.log.latencies.append((self._now(), answer.milliseconds))

    def click(self) -> None:
        """Records a click of a random user on a random item."""
        rng = np.random.default_rng()
        items = self._bundle.catalog()["item_id"].to_numpy()
        history = UserActivityStore.connect(self._settings)
        history.record(int(rng.choice(self._users)), [int(rng.choice(items))], int(time.time()))
        self.log.seen += 1

    def promote(self) -> None:
        """Promotes the version that is not live."""
        folder = model_repository.repository_path(self._settings)
        live = model_repository.live_version(folder)
        server_control.go_live(self._settings, next(one for one in model_repository.versions(folder) if one != live))
        self.log.promotions += 1

    def change_items(self) -> None:
        """Writes new prices of all items to the online store."""
        self.log.item_updates += 1
        at = datetime(2030, 1, 1, tzinfo=UTC) + timedelta(days=self.log.item_updates)
        price = pl.col("price") * (1 + 0.01 * (self.log.item_updates % 5))
        write_features(self._settings, self._bundle, self._users, self._folder, at, price)

    def weigh(self) -> None:
        """Records the memory of the server and its models."""
        total = sum(used.memory for used in usage(self._settings).values())
        self.log.memory.append((self._now(), total / 1e6))

    def every(self, seconds: float, act: Callable[[], None]) -> None:
        """Calls a function repeatedly. An exception counts as an error of the soak."""
        while not self.stop.wait(seconds):
            try:
                act()
            except Exception as error:  # every kind of error counts
                self.log.errors.append(f"{act.__name__}: {error}")

    def run(self, minutes: float, clients: int) -> Log:
        """Runs all traffic in parallel for some minutes."""
        timed = [
            (SEEN_EVERY_S, self.click),
            (ITEMS_EVERY_S, self.change_items),
            (PROMOTION_EVERY_S, self.promote),
            (MEMORY_EVERY_S, self.weigh),
        ]
        with ThreadPoolExecutor(clients + len(timed)) as threads:
            work = [threads.submit(self.ask, seed) for seed in range(clients)]
            work += [threads.submit(self.every, seconds, act) for seconds, act in timed]
            time.sleep(60 * minutes)
            self.stop.set()
            for one in work:
                one.result()
        return self.log

    def _now(self) -> float:
        return time.monotonic() - self._start


def write_features(
    settings: Settings, bundle: Bundle, users: list[int], folder: Path, at: datetime, price: pl.Expr
) -> None:
    """Writes item features with a given timestamp to the online store."""
    moment = pl.lit(at, pl.Datetime("us", "UTC"))
    items = bundle.catalog().drop("title").with_columns(price=price.cast(pl.Float32), event_timestamp=moment)
    items.write_parquet(folder / "items.parquet")
    people = pl.DataFrame({"user_id": users}).with_columns(age=30, gender=0, top_category=-1).cast(pl.Int32)
    people.with_columns(event_timestamp=moment).write_parquet(folder / "users.parquet")
    with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # Feast shows its progress
        online.apply(settings, folder / "users.parquet", folder / "items.parquet")
        online.materialize(settings, at - timedelta(days=1), at, [ITEM_VIEW])


@contextmanager
def shop(settings: Settings, home: Path) -> Iterator[tuple[Settings, Bundle]]:
    """Runs separate servers on a copy of the online store, with the live bundle and a second bundle."""
    bundle, ports = live_bundle_here(settings), free_ports("valkey_port")
    copied = settings.model_copy(update={"home": home, **ports})
    for state in ("feast", "valkey"):
        shutil.copytree(settings.home / state, home / state)
    other = home / "other"
    write_bundle(
        other,
        {part: bundle.path / part for part in bundle.manifest.parts},
        as_of=bundle.manifest.as_of,
        parent=bundle.bundle_id,
        metrics={},
        config=bundle.manifest.config.model_copy(update={"diversity_mode": not settings.diversity_mode}),
        source=bundle.manifest.source,
        made_from=bundle.manifest.made_from,
    )
    models = model_repository.repository_path(copied)
    for one in (bundle, Bundle.open(other)):
        model_repository.publish(one, models, settings=copied)
    model_repository.switch(models, 1)
    try:
        up(copied)
        yield copied, bundle
    finally:
        down(copied)


def show(console: Console, log: Log, seconds: float) -> None:
    """Prints counts, and latency and memory for each fifth of the time."""
    console.print(machine())
    console.print(
        f"{seconds / 60:.1f} minutes: {len(log.latencies):,} requests, {log.seen} clicks, {log.item_updates} updates "
        f"of all items, {log.promotions} promotions between {len(log.bundles)} bundles, "
        f"[bold]{len(log.errors)} errors[/]"
    )
    table = Table("part of the time", "requests/s", "p50 ms", "p95 ms", "p99 ms", "memory MB (median)")
    times, latencies = np.array(log.latencies).T
    moments, memory = np.array(log.memory).T
    for part in range(PERIODS):
        begin, end = (seconds * edge / PERIODS for edge in (part, part + 1))
        in_part = latencies[(times >= begin) & (times < end)]
        p50, p95, p99 = np.percentile(in_part, (50, 95, 99))
        weight = np.median(memory[(moments >= begin) & (moments < end)])
        rate = len(in_part) * PERIODS / seconds
        table.add_row(
            f"{part + 1} of {PERIODS}", f"{rate:.0f}", f"{p50:.1f}", f"{p95:.1f}", f"{p99:.1f}", f"{weight:.0f}"
        )
    console.print(table)
    for error in log.errors[:10]:
        console.print(error, style="red")


def main(
    minutes: Annotated[float, typer.Option(min=0.5, help="Duration in minutes.")] = 10.0,
    clients: Annotated[int, typer.Option(min=1, help="Concurrent requests.")] = 4,
) -> None:
    """Runs mixed traffic and prints errors, memory and latency."""
    settings = get_settings()
    try:
        users = known_users(settings).tolist()
        with TemporaryDirectory(dir=settings.home) as scratch, shop(settings, Path(scratch)) as (copied, bundle):
            soak = Soak(copied, bundle, users, Path(scratch))
            log = soak.run(minutes, clients)
            show(Console(width=120), log, 60 * minutes)
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    if log.errors:
        raise typer.Exit(1)


if __name__ == "__main__":
    typer.run(main)
