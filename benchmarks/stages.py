"""Times every stage of the live bundle in one process, without Triton, for one request and for a batch.

    python -m benchmarks.stages

Valkey must run. The smallest time of each stage is taken for each draw of users, because the machine also does other
work; the table has the mean over the draws.
"""

import time
from collections import defaultdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.traffic import draw_requests, known_users, live_bundle_here
from rec_assets.common.errors import ActionableError
from rec_assets.serving.runner import load_stages, needed, walk
from rec_assets.serving.stages import Arrays, Stage
from rec_assets.settings import get_settings


def smallest_ms(stages: dict[str, Stage], requests: Arrays, rounds: int) -> dict[str, float]:
    """Returns the smallest time of each stage that an answer needs, in milliseconds."""
    smallest: dict[str, float] = defaultdict(lambda: float("inf"))
    specs = needed(stages)
    for _ in range(rounds):
        start = time.perf_counter()
        for name, _tensors in walk(stages, requests, specs):
            end = time.perf_counter()
            smallest[name] = min(smallest[name], 1000 * (end - start))
            start = time.perf_counter()
    return dict(smallest)


def main(
    batch: Annotated[int, typer.Option(min=2, help="Requests in the batch.")] = 16,
    draws: Annotated[int, typer.Option(min=1, help="Number of draws of users.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="Calls for each draw.")] = 30,
    seed: Annotated[int, typer.Option(help="Random seed for users, devices and times.")] = 0,
) -> None:
    """Prints the milliseconds of each stage for one request, and for a batch."""
    settings = get_settings()
    try:
        stages = load_stages(live_bundle_here(settings), settings)
        users = known_users(settings)
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    sums: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for size in (1, batch):
        for draw in range(draws):
            requests = dict(draw_requests(users, size, settings, seed + draw))
            for name, ms in smallest_ms(stages, requests, rounds).items():
                sums[name][size] += ms / draws
    table = Table("stage", "one request, ms", f"{batch} requests, ms")
    for name, ms_of in sums.items():
        table.add_row(name, f"{ms_of[1]:.3f}", f"{ms_of[batch]:.2f}")
    table.add_row("all", *(f"{sum(ms_of[size] for ms_of in sums.values()):.2f}" for size in (1, batch)))
    console = Console()
    console.print(machine())
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
