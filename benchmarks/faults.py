"""Causes faults under four clients and prints, for each, failed requests and the seconds until all is well again.

    python -m benchmarks.faults

Copies the live bundle and the online store of `REC_HOME`, and runs servers of its own under a supervisor. Exits with 1
if an answer was wrong, an acknowledged event was lost, a hostile request was served, or a server did not come back.
"""

import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import psutil
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.hostile import hostile_requests, process_of
from benchmarks.machine import machine
from benchmarks.traffic import free_ports, live_bundle_here
from rec_assets.bundles.bundle import Bundle
from rec_assets.cli.local.server import Server
from rec_assets.cli.local.supervision import running, servers, services
from rec_assets.cli.local.supervisor import supervising
from rec_assets.cli.local.triton import SHARED_MEMORY, Triton
from rec_assets.cli.local.web import Storefront
from rec_assets.common.errors import ActionableError
from rec_assets.realtime.log.behavior_log import BehaviorLog
from rec_assets.serving.client import Client
from rec_assets.serving.triton import model_repository
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifacts.home_identity import keep_identity, read_identity

CLIENTS = 4
PAUSE_S = 3.0  # of a paused process
PATIENCE_S = 180.0  # for one fault
EVENT_EVERY_S = 0.05
RETRY_S = 0.25  # pause of a client after a failure; without it, clients take the cores that a restart needs


@dataclass
class Traffic:
    """Counts of the clients; `failures` since the last fault, the others since the start."""

    answers: int = 0
    failures: int = 0
    wrong: list[str] = field(default_factory=list)
    reasons: set[str] = field(default_factory=set)
    last_failures: dict[str, float] = field(default_factory=dict)  # by topology
    acknowledged: int = 0
    refused_events: int = 0


class Clients:
    """Four clients that request lists, and one that records events, until `stop` is set."""

    def __init__(self, settings: Settings, bundle: Bundle) -> None:
        self.traffic, self.stop = Traffic(), threading.Event()
        self._settings, self._bundle = settings, bundle
        self._users = bundle.lookups.vocabularies["user_id"]
        self._items = bundle.catalog()["item_id"].to_numpy()
        self._lock = threading.Lock()

    def ask(self, number: int) -> None:
        """Requests lists; half of the clients use each topology."""
        topology = (RECOMMENDER, ENSEMBLE)[number % 2]
        client = Client(self._settings, topology)
        rng = np.random.default_rng(number)
        while not self.stop.wait(0.01):
            try:
                answer = client.recommend(int(rng.choice(self._users)), k=10)
            except ActionableError as error:
                with self._lock:
                    self.traffic.failures += 1
                    self.traffic.reasons.add(error.problem)
                    self.traffic.last_failures[topology] = time.monotonic()
                self.stop.wait(RETRY_S)
                continue
            ids = answer.item_ids.tolist()
            is_right = answer.bundle_id == self._bundle.bundle_id and 0 < len(ids) == len(set(ids)) <= 10
            with self._lock:
                self.traffic.answers += 1
                if not is_right:
                    self.traffic.wrong.append(f"{ids} of bundle {answer.bundle_id}")

    def click(self) -> None:
        """Records events, each with a second of its own, so that none is a duplicate."""
        client, at = Client(self._settings), int(time.time()) - 10_000_000
        while not self.stop.wait(EVENT_EVERY_S):
            at += 1
            try:
                client.record(int(self._users[at % len(self._users)]), [int(self._items[0])], at)
                self.traffic.acknowledged += 1
            except ActionableError:
                self.traffic.refused_events += 1

    @contextmanager
    def sending(self) -> Iterator[Traffic]:
        """Sends requests and events during the block."""
        threads = [threading.Thread(target=self.ask, args=(number,)) for number in range(CLIENTS)]
        threads.append(threading.Thread(target=self.click))
        for thread in threads:
            thread.start()
        try:
            yield self.traffic
        finally:
            self.stop.set()
            for thread in threads:
                thread.join()


def paused(process: psutil.Process, seconds: float = PAUSE_S) -> None:
    """Pauses a process for some seconds."""
    process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    if process.is_running():
        process.send_signal(signal.SIGCONT)


def kill(watched: list[Server]) -> None:
    """Kills all servers."""
    for server in watched:
        process_of(server).kill()


def faults(settings: Settings, watched: list[Server]) -> dict[str, Callable[[], object]]:
    """Returns functions that cause one fault each, by description."""
    valkey, _, worker, storefront = watched
    triton = Triton(settings)

    def process(model: str) -> psutil.Process:
        return max(triton.model_processes(model), key=psutil.Process.create_time)  # the others end soon

    return {
        "a process of recommender is killed": lambda: process("graph_runner").kill(),
        "a process of ensemble_model is killed": lambda: process("faiss_retrieval").kill(),
        f"a process of recommender pauses for {PAUSE_S:.0f} s": lambda: paused(process("graph_runner")),
        "recommender is unloaded": lambda: server_control.unload(settings, RECOMMENDER),
        "Triton is killed": lambda: process_of(triton).kill(),
        "Triton stops answering": lambda: process_of(triton).send_signal(signal.SIGSTOP),
        "Valkey is killed": lambda: process_of(valkey).kill(),
        "Valkey stops answering": lambda: process_of(valkey).send_signal(signal.SIGSTOP),
        "the worker is killed": lambda: process_of(worker).kill(),
        "the worker pauses for ever": lambda: process_of(worker).send_signal(signal.SIGSTOP),
        "the storefront is killed": lambda: process_of(storefront).kill(),
        "all servers are killed at once": lambda: kill(watched),
    }


def recover(
    traffic: Traffic, watched: list[Server], cause: Callable[[], object], patience_s: float
) -> tuple[int, dict[str, float], float]:
    """Causes a fault; returns failed requests, and the seconds until the last failure and until all is well.

    The last failure is by topology, without those that did not fail.

    Raises:
        ActionableError: a server is not well after `patience_s` seconds.
    """
    traffic.failures, traffic.last_failures = 0, {}
    start = time.monotonic()
    cause()
    while True:
        time.sleep(1.0)  # a fault takes a moment to show
        last = max(traffic.last_failures.values(), default=0.0)
        if all(server.is_well() for server in watched) and time.monotonic() - last > 1.0:
            break
        if time.monotonic() - start > patience_s:
            ill = ", ".join(server.name for server in watched if not server.is_well())
            raise ActionableError(f"{ill or 'requests'} did not come back in {patience_s:.0f} s.", "Read the logs.")
    served = {topology: last - start for topology, last in traffic.last_failures.items()}
    return traffic.failures, served, time.monotonic() - start - 1.0


@contextmanager
def copied(settings: Settings, home: Path) -> Iterator[tuple[Settings, Bundle]]:
    """Runs separate servers and a storefront under a supervisor, with the live bundle and the online store."""
    bundle = live_bundle_here(settings)
    mine = settings.model_copy(update={"home": home, **free_ports("valkey_port", "storefront_port")})
    for state in ("feast", "valkey"):
        if (settings.home / state).exists():
            shutil.copytree(settings.home / state, home / state)
    keep_identity(home, read_identity(settings.home))  # the copied Valkey carries it
    models = model_repository.repository_path(mine)
    model_repository.switch(models, model_repository.publish(bundle, models, settings=mine))
    storefront = Storefront(mine)
    with services(mine), running(storefront), supervising(mine, [storefront]):
        yield mine, bundle


def report(console: Console, settings: Settings, bundle: Bundle, patience_s: float) -> bool:
    """Causes all faults and prints the table; returns True if nothing was lost, wrong or served to a stranger."""
    console.print(machine())
    watched = [*servers(settings), Storefront(settings)]
    clients = Clients(settings, bundle)
    table = Table(
        "fault", "failed requests", "last failure of recommender after s", "of any after s", "all well after s"
    )
    with clients.sending() as traffic:
        time.sleep(3.0)
        for name, cause in faults(settings, watched).items():
            failures, served, well = recover(traffic, watched, cause, patience_s)
            last = [served.get(RECOMMENDER, 0.0), max(served.values(), default=0.0)]
            table.add_row(name, str(failures), *(f"{seconds:.1f}" for seconds in (*last, well)))
            console.print(f"{name}: {failures} failed, well after {well:.1f} s")
        refused = hostile_requests(settings)
    console.print(table)
    events = applied_events(settings)
    segments = list(SHARED_MEMORY.glob(f"{Triton(settings)._segments}*"))
    console.print(
        f"{traffic.answers:,} answers by {CLIENTS} clients, {len(traffic.wrong)} wrong; {traffic.acknowledged:,} "
        f"acknowledged events, {traffic.acknowledged - events:,} lost; {sum(refused.values())} of {len(refused)} "
        f"hostile requests refused; {len(segments)} segments of shared memory for {settings.triton_instances + 14} "
        "model processes"
    )
    for name, was_refused in refused.items():
        if not was_refused:
            console.print(f"NOT refused: {name}", style="red")
    console.print("Reasons that clients read:", *sorted(traffic.reasons), sep="\n  ")
    return not traffic.wrong and events >= traffic.acknowledged and all(refused.values())


def applied_events(settings: Settings) -> int:
    """Waits until the workers have applied all events; returns the number of events in the offline log."""
    stream, deadline = Client(settings).events, time.monotonic() + PATIENCE_S
    while (state := stream.state()).waiting + state.taken and time.monotonic() < deadline:
        time.sleep(0.5)
    log = BehaviorLog.of(settings)
    return sum(log.read(day).height for day in log.days())


def main(
    patience: Annotated[
        float, typer.Option(help="Longest wait for the recovery from one fault, seconds.")
    ] = PATIENCE_S,
    folder: Annotated[Path | None, typer.Option(help="Folder for temporary state; by default REC_HOME.")] = None,
) -> None:
    """Causes every fault once under load."""
    settings, console = get_settings(), Console(width=120)
    try:
        with (
            TemporaryDirectory(dir=folder or settings.home) as scratch,
            copied(settings, Path(scratch)) as (mine, bundle),
        ):
            is_well = report(console, mine, bundle, patience)
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    raise typer.Exit(0 if is_well else 1)


if __name__ == "__main__":
    typer.run(main)
