"""Measures a request on the running Triton: the reference design without and with item cache, and both own designs.

All designs use the same bundle and requests in one run. Client, server and Valkey share the cores of this machine.
Stage times come from Triton's Prometheus metrics, CPU time and memory from Triton's processes.
"""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.processes import SERVER, usage
from benchmarks.reference import models as reference
from benchmarks.traffic import Lists, Requests, draw_requests, known_users, send
from benchmarks.triton_metrics import StageCost, read_metrics, stage_costs
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.spec import STAGES
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER, TOPOLOGIES, shape_of_one
from rec_assets.settings import Settings, get_settings

WARM_UP = 100
SLOW_PART = 10  # the reference design gets the first tenth of the requests
EQUAL_SCORES = 1e-3
# In the order of the table: slow designs first.
MEMBERS: dict[str, tuple[str, ...]] = {
    reference.PER_REQUEST: tuple(spec.name for spec in reference.steps(reference.PER_REQUEST)),
    reference.CACHED: tuple(spec.name for spec in reference.steps(reference.CACHED)),
    **{name: tuple(spec.name for spec in TOPOLOGIES[name]) for name in (ENSEMBLE, RECOMMENDER)},
}


@dataclass(frozen=True)
class Run:
    """One model at one concurrency.

    Attributes:
        model: name of the model in Triton.
        concurrency: number of concurrent requests.
        requests: total number of requests.
        requests_per_second: answered requests per second.
        p50_ms, p95_ms, p99_ms: latencies, measured in the clients.
        cpu_ms: CPU time per request, of the server and the model's processes.
        memory_mb: memory of the model's processes, MB (PSS).
        stages: cost of each stage, from Triton's metrics.
    """

    model: str
    concurrency: int
    requests: int
    requests_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    cpu_ms: float
    memory_mb: float
    stages: list[StageCost]


def shape_of(model: str) -> list[int]:
    """Returns the shape of each input of a request for one user."""
    return shape_of_one(model) if model in TOPOLOGIES else shape_of_one(ENSEMBLE)


def measure(settings: Settings, model: str, requests: Requests, concurrency: int) -> tuple[Run, Lists]:
    """Sends all requests with a given concurrency. Returns their cost and the lists.

    Raises:
        ActionableError: Triton does not answer, does not serve the model, or failed a request.
    """
    names = MEMBERS[model]
    before, used = read_metrics(settings), usage(settings)
    seconds, latencies, lists = send(settings, model, shape_of(model), requests, concurrency)
    after, use = read_metrics(settings), usage(settings)
    cpu = sum(use[name].cpu_s - used[name].cpu_s for name in (SERVER, *names))
    p50, p95, p99 = np.percentile(latencies, (50, 95, 99)).tolist()
    count = len(latencies)
    memory = sum(use[name].memory for name in names) / 1e6
    stages = stage_costs(before, after, names, model)
    return Run(model, concurrency, count, count / seconds, p50, p95, p99, 1000 * cpu / count, memory, stages), lists


def first(requests: Requests, count: int) -> Requests:
    """Returns the first `count` requests."""
    return {name: values[:count] for name, values in requests.items()}


def same_lists(lists: Lists, others: Lists) -> float:
    """Returns the share of lists with equal scores at every position (within `EQUAL_SCORES`).

    Item ids are not compared, because items with almost equal scores may swap positions.
    """
    same = [
        len(ours) == len(theirs) and bool(np.allclose(ours, theirs, atol=EQUAL_SCORES))
        for (_, ours), (_, theirs) in zip(lists, others, strict=True)
    ]
    return float(np.mean(same))


def show(console: Console, runs: Sequence[Run]) -> None:
    """Prints latencies and costs of all models, then the stages of each model at the lowest concurrency."""
    console.print(machine())
    table = Table("model", "concurrency", "requests/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms", "memory MB", "times")
    slowest = {run.concurrency: run.requests_per_second for run in reversed(runs)}
    for run in runs:
        latencies = (f"{ms:.1f}" for ms in (run.p50_ms, run.p95_ms, run.p99_ms))
        times = f"{run.requests_per_second / slowest[run.concurrency]:.1f}"
        cost = f"{run.cpu_ms:.1f}", f"{run.memory_mb:.0f}", times
        table.add_row(run.model, str(run.concurrency), f"{run.requests_per_second:.1f}", *latencies, *cost)
    console.print(table)
    lowest = {run.model: run for run in reversed(runs)}
    stages = Table("stage", *(name for name in MEMBERS if name in lowest and name != RECOMMENDER))
    whole = {name: lowest[name] for name in MEMBERS if name in lowest and name != RECOMMENDER}
    for position, spec in enumerate(STAGES):
        costs = (run.stages[position] for run in whole.values())
        stages.add_row(spec.name, *(f"{cost.request_ms:.2f} ms, {cost.share:.0%}" for cost in costs))
    console.print(stages)


def main(
    requests: Annotated[
        int, typer.Option(min=10, help="Requests per concurrency for a fast model; a tenth for a slow one.")
    ] = 1_000,
    concurrency: Annotated[list[int], typer.Option(min=1, help="Concurrent requests. Repeatable.")] = [1, 4, 16],  # noqa: B006
    with_reference: Annotated[
        bool, typer.Option("--reference/--no-reference", help="The reference design too.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Random seed for users, devices and times.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Prints JSON instead of tables.")] = False,
) -> None:
    """Measures all serving designs on the running local Triton."""
    settings = get_settings()
    try:
        users, runs = known_users(settings), []
        with reference.reference_models(settings) if with_reference else nullcontext():
            answers: dict[str, Lists] = {}
            drawn = draw_requests(users, requests, settings, seed)
            warm = draw_requests(users, WARM_UP, settings, seed + 1)
            for model in (name for name in MEMBERS if with_reference or name in TOPOLOGIES):
                part = 1 if model in TOPOLOGIES else SLOW_PART
                send(settings, model, shape_of(model), first(warm, len(warm["user_id"]) // part), max(concurrency))
                for level in concurrency:
                    run, answers[model] = measure(settings, model, first(drawn, max(requests // part, 1)), level)
                    runs.append(run)
        for model, lists in answers.items():
            share = same_lists(lists, answers[ENSEMBLE][: len(lists)])
            if share < 0.99:
                problem = f"{1 - share:.0%} of the lists of {model} differ from {ENSEMBLE}."
                raise ActionableError(problem, "Fix the difference. Only designs with equal lists are comparable.")
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    if as_json:
        print(json.dumps({"machine": machine(), "runs": [asdict(run) for run in runs]}, indent=2))
    else:
        show(Console(width=140), runs)


if __name__ == "__main__":
    typer.run(main)
