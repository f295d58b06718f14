"""Times every stage of the live bundle in one process, without Triton, for one request and for a batch.

    python -m benchmarks.stages                      # this checkout
    python -m benchmarks.stages --against FOLDER     # and another one, on the same requests

Valkey must run. Each checkout has a process of its own, and the processes take turns. The smallest time of each stage
is taken for each draw of users, because the machine also does other work; the table has the mean over the draws.
"""

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.traffic import draw_requests, known_users, live_bundle_here
from rec_assets.common.errors import ActionableError
from rec_assets.serving.runner import load_stages, needed, walk
from rec_assets.settings import get_settings

HERE = Path(__file__).resolve().parents[1]
CALLS = 5  # of each draw in a round
AS_SERVED = {"OMP_NUM_THREADS": "1"}  # as in the server's processes
Times = dict[str, npt.NDArray[np.float64]]  # milliseconds of each draw by stage


class Checkout:
    """A process that times the stages of one checkout, and the smallest times so far by batch size."""

    def __init__(self, folder: Path, options: list[str], running: ExitStack) -> None:
        """Starts the process, which ends with `running`. It runs this file with the packages of the folder."""
        command, environment = (
            [sys.executable, "-P", __file__, "--worker", *options],
            os.environ | {"PYTHONPATH": str(folder), **AS_SERVED},
        )
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, text=True)
        self._process = running.enter_context(process)
        self.times: dict[str, Times] = defaultdict(dict)
        self.scores: list[list[float]] = []

    def round(self) -> None:
        """Lets the process time all stages once more; raises ActionableError if the process ended."""
        assert self._process.stdin and self._process.stdout
        print("round", file=self._process.stdin, flush=True)
        line = self._process.stdout.readline()
        if not line:
            raise ActionableError("A process that times stages ended.", "Correct the error that it printed above.")
        answer = json.loads(line)
        self.scores = answer["scores"]
        for size, times in answer["times"].items():
            for stage, ms in times.items():
                self.times[size][stage] = np.minimum(self.times[size].get(stage, np.inf), ms)


def work(batch: int, draws: int, seed: int) -> None:
    """Times the stages whenever a line arrives; prints the times and the scores of the lists as JSON."""
    settings = get_settings()
    stages, users = load_stages(live_bundle_here(settings), settings), known_users(settings)
    specs = needed(stages)
    drawn = {size: [dict(draw_requests(users, size, settings, seed + n)) for n in range(draws)] for size in (1, batch)}
    for _ in sys.stdin:
        times: dict[int, dict[str, list[float]]] = {size: defaultdict(lambda: [np.inf] * draws) for size in drawn}
        scores = []
        for size, requests in drawn.items():
            for draw, request in enumerate(requests):
                for _ in range(CALLS):
                    start = time.perf_counter()
                    for name, tensors in walk(stages, request, specs):  # noqa: B007 - the last tensors are used
                        ms = 1000 * (time.perf_counter() - start)
                        times[size][name][draw] = min(times[size][name][draw], ms)
                        start = time.perf_counter()
                scores.append(tensors["ordered_scores"].tolist())
        print(json.dumps({"times": times, "scores": scores}), flush=True)


def table(checkouts: list[Checkout], sizes: tuple[int, int]) -> Table:
    """Returns the mean milliseconds of each stage, by batch size and checkout, and the ratio of two checkouts."""
    one, *others = checkouts
    made = Table("stage")
    for count in sizes:
        what = f"{count} request{'s' if count > 1 else ''}"
        for title in [f"{what}, ms"] if not others else [f"{what}, before", "now", "ratio"]:
            made.add_column(title, justify="right")
    for stage in (*one.times[str(sizes[0])], "all"):
        cells = []
        for size in map(str, sizes):
            all_times = [checkout.times[size] for checkout in (*others, one)]
            ms = [float(np.mean(times[stage] if stage in times else sum(times.values()))) for times in all_times]
            cells += [f"{value:.3f}" for value in ms] + [f"{ms[0] / ms[1]:.2f}" for _ in others]
        made.add_row(stage, *cells)
    return made


def main(
    batch: Annotated[int, typer.Option(min=2, help="Requests in the batch.")] = 16,
    draws: Annotated[int, typer.Option(min=1, help="Number of draws of users.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help=f"Rounds of {CALLS} calls for each draw.")] = 6,
    seed: Annotated[int, typer.Option(help="Random seed for users, devices and times.")] = 0,
    against: Annotated[Path | None, typer.Option(help="Folder of another checkout.")] = None,
    worker: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Prints the milliseconds of each stage for one request, and for a batch."""
    console = Console()
    try:
        if worker:
            return work(batch, draws, seed)
        options = [f"--{name}={value}" for name, value in {"batch": batch, "draws": draws, "seed": seed}.items()]
        with ExitStack() as running:
            folders = [HERE, *([against.resolve()] if against else [])]
            checkouts = [Checkout(folder, options, running) for folder in folders]
            for _ in range(rounds):
                for checkout in checkouts:
                    checkout.round()
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    console.print(machine())
    console.print(table(checkouts, (1, batch)))
    if against:
        difference = max(
            float(np.abs(np.subtract(a, b)).max(initial=0)) if len(a) == len(b) else np.inf
            for a, b in zip(*(checkout.scores for checkout in checkouts), strict=True)
        )
        console.print(f"largest difference of two scores at one place of the lists: {difference:.1g}")


if __name__ == "__main__":
    typer.run(main)
