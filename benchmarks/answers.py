"""Measures the cost of recording answers: two Tritons with one bundle, of which one records all answers.

    python -m benchmarks.answers

The servers of the home must run: Valkey has the features, and the worker writes the log. Both Tritons take turns, and
the table has the medians of all turns, because the machine's speed changes.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.processes import SERVER, usage
from benchmarks.traffic import Requests, draw_requests, free_ports, known_users, live_bundle_here, send
from rec_assets.cli.local.triton import Triton
from rec_assets.cli.local.worker import Worker
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.spec import WHOLE
from rec_assets.serving.triton import model_repository
from rec_assets.serving.triton.model_config import RECOMMENDER, shape_of_one
from rec_assets.settings import Settings, get_settings

WARM_UP = 200
Measured = tuple[float, float, float]  # p50 and p99 in milliseconds, and processor milliseconds per request


@contextmanager
def serving(settings: Settings, home: Path, share: float) -> Iterator[Settings]:
    """Serves the live bundle from a Triton of its own that records a share of its answers to the running Valkey."""
    separate = settings.model_copy(update={"home": home, "answer_share": share, **free_ports()})
    shutil.copytree(settings.home / "feast", home / "feast")
    folder = model_repository.repository_path(separate)
    bundle = live_bundle_here(settings)
    model_repository.switch(folder, model_repository.publish(bundle, folder, settings=separate))
    triton = Triton(separate)
    try:
        triton.start()
        yield separate
    finally:
        triton.stop()


def turn(settings: Settings, worker: Worker, drawn: Requests, concurrency: int) -> Measured:
    """Sends requests once; returns their latency and cost. The worker's processor time counts, too."""

    def cpu() -> float:
        used, process = usage(settings), worker.process.find()
        times = process.cpu_times() if process else None
        return used[SERVER].cpu_s + used[WHOLE.name].cpu_s + (times.user + times.system if times else 0.0)

    before = cpu()
    _, latencies, _ = send(settings, RECOMMENDER, shape_of_one(RECOMMENDER), drawn, concurrency)
    p50, p99 = np.percentile(latencies, (50, 99)).tolist()
    return p50, p99, 1000 * (cpu() - before) / len(latencies)


def main(
    requests: Annotated[int, typer.Option(min=10, help="Requests of a turn.")] = 400,
    turns: Annotated[int, typer.Option(min=1, help="Turns of each server at each concurrency.")] = 10,
    concurrency: Annotated[list[int], typer.Option(min=1, help="Concurrent requests. Repeatable.")] = [1, 16],  # noqa: B006
) -> None:
    """Prints latency and processor time with and without recording."""
    settings, console = get_settings(), Console()
    table = Table("concurrency", "", "p50 ms", "p99 ms", "CPU ms")
    try:
        worker, users = Worker(settings), known_users(settings)
        with (
            TemporaryDirectory(dir=settings.home) as folder,
            serving(settings, Path(folder) / "without", 0.0) as without,
            serving(settings, Path(folder) / "with", 1.0) as recording,
        ):
            for level in concurrency:
                made: dict[str, list[Measured]] = {"without recording": [], "with recording": []}
                for number in range(-1, turns):
                    drawn = draw_requests(users, WARM_UP if number < 0 else requests, settings, number + 1)
                    for name, server in zip(made, (without, recording), strict=True):
                        made[name].append(turn(server, worker, drawn, level))
                medians = {name: np.median(values[1:], axis=0) for name, values in made.items()}
                for name, values in medians.items():
                    table.add_row(str(level), name, *(f"{value:.2f}" for value in values))
                ratio = medians["with recording"] / medians["without recording"]
                table.add_row("", "ratio", *(f"{value:.3f}" for value in ratio))
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    console.print(machine())
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
