"""Compares the factored ranker of the live bundle with the exported ranker, on the same candidates, on one thread.

    python -m benchmarks.ranker

The calls take turns, and the table has the smallest time of each, because the machine also does other work.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.traffic import draw_requests, known_users, live_bundle_here
from rec_assets.common.errors import ActionableError
from rec_assets.inference.onnx_model import OnnxModel
from rec_assets.serving.graph.row_splits import ROW_SPLITS
from rec_assets.serving.graph.spec import STAGES, local_name
from rec_assets.serving.runner import load_stages, walk
from rec_assets.serving.stages import Arrays, Stage
from rec_assets.settings import get_settings

RANKER = next(spec for spec in STAGES if spec.name == "dlrm_ranking")


def ranker_inputs(stages: dict[str, Stage], requests: Arrays) -> Arrays:
    """Returns the inputs of the ranker for a batch of requests."""
    tensors = next(tensors for name, tensors in walk(stages, requests) if name == "dlrm_ranking")
    given = {local_name(name): tensors[name] for name in RANKER.reads}
    return given | {ROW_SPLITS: tensors[ROW_SPLITS]}


def smallest_ms(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Returns the smallest time of each call in milliseconds, over rounds in which each call runs once."""
    smallest = dict.fromkeys(calls, float("inf"))
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            smallest[name] = min(smallest[name], 1000 * (time.perf_counter() - start))
    return smallest


def main(
    rounds: Annotated[int, typer.Option(min=1, help="Number of calls of each ranker.")] = 500,
    seed: Annotated[int, typer.Option(help="Random seed for users, devices and times.")] = 0,
) -> None:
    """Prints the time for a request by the requests in a batch, and the largest difference of a score."""
    settings = get_settings()
    try:
        bundle = live_bundle_here(settings)
        stages = load_stages(bundle, settings)
        users = known_users(settings)
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    table = Table("requests in a batch", "candidates", "exported, ms", "factored, ms", "ratio", "largest difference")
    for batch in (1, 4, 16):
        given = ranker_inputs(stages, dict(draw_requests(users, batch, settings, seed)))
        exported, factored = OnnxModel(bundle.file("dlrm"), tuple(given), 1), stages["dlrm_ranking"]
        taken = smallest_ms({"exported": partial(exported, given), "factored": partial(factored, given)}, rounds)
        difference = np.abs(factored(given)["score"] - exported(given)[:, 0]).max()
        each = {name: ms / batch for name, ms in taken.items()}
        table.add_row(
            str(batch),
            str(len(given["item_id"]) // batch),
            f"{each['exported']:.3f}",
            f"{each['factored']:.3f}",
            f"{each['exported'] / each['factored']:.1f}",
            f"{difference:.1g}",
        )
    console = Console()
    console.print(machine())
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
