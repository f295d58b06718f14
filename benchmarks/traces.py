"""Times the stages of the live bundle in one process: without traces, with traces on, and in a recorded trace.

    python -m benchmarks.traces

Valkey must run. The figures are processor time of this process, and the rounds of all cases alternate, because the
machine also does other work. Spans go to a port where nothing listens: the figures have the cost of making and dropping
them, not that of a collector.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.traffic import draw_requests, known_users, live_bundle_here
from rec_assets.common.errors import ActionableError
from rec_assets.common.traces import tracing
from rec_assets.serving.runner import answer, load_stages, needed
from rec_assets.settings import get_settings

NOBODY = "http://127.0.0.1:9"  # the discard port
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CALLS = 1_000_000  # of the timed call without traces


def no_trace() -> AbstractContextManager[None]:
    """Returns the surroundings of a request that is not traced."""
    return nullcontext()


def recorded() -> AbstractContextManager[None]:
    """Returns the surroundings of a request in a recorded trace."""
    return tracing.continued([PARENT], "batch", {"rec.requests": 1})


# Name of a case, its endpoint, and the surroundings of its requests.
CASES: tuple[tuple[str, str, Callable[[], AbstractContextManager[None]]], ...] = (
    ("off", "", no_trace),
    ("on, without a trace", NOBODY, no_trace),
    ("on, in a recorded trace", NOBODY, recorded),
)


def nanoseconds_off() -> float:
    """Returns the processor time of one block that is not measured, because traces are off."""
    began = time.process_time_ns()
    for _ in range(CALLS):
        with tracing.span("stage"):
            pass
    return (time.process_time_ns() - began) / CALLS


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds over all cases.")] = 10,
    requests: Annotated[int, typer.Option(min=1, help="Requests of each case in a round.")] = 200,
    seed: Annotated[int, typer.Option(help="Random seed for users, devices and times.")] = 0,
) -> None:
    """Prints the median and smallest milliseconds of processor time of a request in each case."""
    settings = get_settings()
    try:
        stages = load_stages(live_bundle_here(settings), settings)
        users = known_users(settings)
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    specs = needed(stages)
    drawn = [dict(draw_requests(users, 1, settings, seed + number)) for number in range(requests)]
    milliseconds: dict[str, list[float]] = {name: [] for name, _, _ in CASES}
    for _ in range(rounds):
        for name, endpoint, surroundings in CASES:
            with tracing.traces("benchmark", endpoint, 1.0):
                began = time.process_time()
                for request in drawn:
                    with surroundings():
                        answer(stages, request, specs)
                milliseconds[name].append(1000 * (time.process_time() - began) / requests)
    table = Table("traces", "median ms", "smallest ms")
    for name, times in milliseconds.items():
        table.add_row(name, f"{np.median(times):.3f}", f"{min(times):.3f}")
    console = Console()
    console.print(machine())
    console.print(table)
    console.print(f"A block that is not measured takes {nanoseconds_off():.0f} ns.")


if __name__ == "__main__":
    typer.run(main)
