"""Compares a request with its lower limit: query tower, index search and ranker on the same arrays, in one process.

The inputs of these three calls are computed once, so only the calls are timed. A third figure is the whole graph
without Triton, which adds the other stages and the calls to Valkey.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import onnxruntime as ort
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.request_latency import first, shape_of
from benchmarks.traffic import draw_requests, known_users, live_bundle_here, send
from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.spec import STAGES, local_name
from rec_assets.serving.runner import answer, load_stages, walk
from rec_assets.serving.stages import Arrays, Stage
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER
from rec_assets.settings import Settings, get_settings

MATHEMATICS = ("query_tower", "faiss_retrieval", "dlrm_ranking")


def inputs_of_stages(stages: dict[str, Stage], request: Arrays) -> dict[str, Arrays]:
    """Answers a request and returns the inputs of each stage."""
    *_, (_, tensors) = walk(stages, request)
    return {spec.name: {local_name(name): tensors[name] for name in spec.reads} for spec in STAGES}


def mathematics(bundle: Bundle, ranker: Stage, given: dict[str, Arrays], depth: int) -> dict[str, Callable[[], object]]:
    """Returns the three calls, with their inputs in the layout of the library.

    Args:
        bundle: the bundle with the query tower and the index.
        ranker: the stage with the factored ranker.
        given: the inputs of the stages.
        depth: number of items to retrieve.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    index = faiss.read_index(str(bundle.file("item_index")))
    query = np.ascontiguousarray(given["faiss_retrieval"]["query_embedding"])
    return {
        "query_tower": onnx_call(bundle.file("query_tower"), given["query_tower"]),
        "faiss_retrieval": lambda: index.search(query, min(depth, index.ntotal)),
        "dlrm_ranking": lambda: ranker(given["dlrm_ranking"]),
    }


def onnx_call(file: Path, features: Arrays) -> Callable[[], object]:
    """Returns a call that runs an ONNX model on one thread, over features [n] or [n, d]."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    feed = {one.name: features[one.name].reshape(len(features[one.name]), -1) for one in session.get_inputs()}
    return lambda: session.run(None, feed)


def median_ms(call: Callable[[], object], times: int) -> float:
    """Returns the median time of a call in milliseconds."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - start))
    return float(np.median(taken))


def limit(settings: Settings, users: int, times: int, seed: int) -> tuple[dict[str, float], float]:
    """Returns the median ms of each of the three calls, and of all stages. Medians are averaged over the requests."""
    bundle = live_bundle_here(settings)
    stages = load_stages(bundle, settings)
    drawn = draw_requests(known_users(settings), users, settings, seed)
    sums, graph = dict.fromkeys(MATHEMATICS, 0.0), 0.0
    for row in range(users):
        request: Arrays = {name: values[row : row + 1] for name, values in drawn.items()}
        given = inputs_of_stages(stages, request)
        calls = mathematics(bundle, stages["dlrm_ranking"], given, settings.retrieval_topk)
        for name, call in calls.items():
            sums[name] += median_ms(call, times) / users
        graph += median_ms(partial(answer, stages, request), times) / users
    return sums, graph


def main(
    users: Annotated[int, typer.Option(min=1, help="Number of requests whose arrays are used.")] = 20,
    requests: Annotated[int, typer.Option(min=10, help="Requests to each model, concurrency 1.")] = 500,
    seed: Annotated[int, typer.Option(help="Random seed for users, devices and times.")] = 0,
) -> None:
    """Times the three calls alone, then both topologies of the running local Triton."""
    settings = get_settings()
    try:
        bare, graph = limit(settings, users, times=50, seed=seed)
        drawn = draw_requests(known_users(settings), requests, settings, seed)
        served = {}
        for model in (ENSEMBLE, RECOMMENDER):
            send(settings, model, shape_of(model), first(drawn, requests // 10), 1)
            served[model] = float(np.median(send(settings, model, shape_of(model), drawn, 1)[1]))
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    whole = sum(bare.values())
    table = Table("one request, alone", "ms (p50)", "times the limit")
    for name, ms in bare.items():
        table.add_row(name, f"{ms:.3f}", "")
    for name, ms in {"the limit: all three": whole, "all stages, without Triton": graph, **served}.items():
        table.add_row(name, f"{ms:.2f}", f"{ms / whole:.1f}")
    console = Console()
    console.print(machine())
    console.print(table)


if __name__ == "__main__":
    typer.run(main)
