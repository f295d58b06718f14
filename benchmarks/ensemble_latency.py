"""What a request to `ensemble_model` costs on the running Triton, end to end and stage by stage.

Client and server share this machine's cores. The stages' times are Triton's own, from its Prometheus metrics.
"""

import json
import platform
import time
import urllib.request
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from urllib.error import URLError

import numpy as np
import numpy.typing as npt
import polars as pl
import psutil
import typer
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from rec_assets.errors import ActionableError
from rec_assets.serving.graph import REQUEST, RESPONSE, STAGES
from rec_assets.serving.model_config import ENSEMBLE
from rec_assets.serving.request import DEVICE_TYPES, validate
from rec_assets.settings import Settings, get_settings
from rec_assets.storage import open_store

WARM_UP = 100
TIMEOUT = 30.0  # seconds
START_TRITON = "Start it with `rec up`, and train and promote a first bundle with `make demo`."

Requests = dict[str, npt.NDArray[np.int32]]


@dataclass(frozen=True)
class Totals:
    """What a model has done since the server started; times in microseconds, summed over requests and versions."""

    count: float = 0.0
    request: float = 0.0
    queue: float = 0.0
    compute: float = 0.0


_METRICS = {
    "nv_inference_count": "count",
    "nv_inference_request_duration_us": "request",
    "nv_inference_queue_duration_us": "queue",
    "nv_inference_compute_infer_duration_us": "compute",
}


@dataclass(frozen=True)
class StageCost:
    """Means over the requests of a run, in milliseconds; `share` is that of the whole ensemble's time.

    Stages that do not depend on each other run side by side, and passing tensors on costs time between the stages, so
    shares need not add up to one. For the ensemble itself, Triton gives the sum of its stages' compute times.
    """

    model: str
    request_ms: float
    queue_ms: float
    compute_ms: float
    share: float


@dataclass(frozen=True)
class Run:
    """One run: latencies in milliseconds as the clients saw them."""

    concurrency: int
    requests: int
    requests_per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    stages: list[StageCost]


def parse_metrics(text: str) -> dict[str, Totals]:
    """Returns each model's totals from Triton's metrics page; its versions are added up."""
    sums: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(text):
        if family.name not in _METRICS:
            continue
        for sample in family.samples:
            model = sums.setdefault(sample.labels["model"], dict.fromkeys(_METRICS.values(), 0.0))
            model[_METRICS[family.name]] += sample.value
    return {model: Totals(**values) for model, values in sums.items()}


def stage_costs(before: Mapping[str, Totals], after: Mapping[str, Totals]) -> list[StageCost]:
    """Returns the mean cost of every stage in the graph's order, then of the ensemble, between two readings.

    Raises:
        ActionableError: the ensemble or a stage answered nothing in between.
    """
    names = [*(stage.name for stage in STAGES), ENSEMBLE]
    spent: dict[str, Totals] = {}
    for name in names:
        then, now = before.get(name, Totals()), after.get(name, Totals())
        count = now.count - then.count
        if count <= 0:
            raise ActionableError(f"Triton's metrics show no request to {name} during the run.", START_TRITON)
        spent[name] = Totals(
            count,
            (now.request - then.request) / count / 1000,
            (now.queue - then.queue) / count / 1000,
            (now.compute - then.compute) / count / 1000,
        )
    whole = spent[ENSEMBLE].request
    return [StageCost(name, s.request, s.queue, s.compute, s.request / whole) for name, s in spent.items()]


def draw_requests(user_ids: npt.NDArray[np.int32], n: int, settings: Settings, seed: int) -> Requests:
    """Draws known users, any device (or none known) and times of the history; each int32 [n]."""
    rng = np.random.default_rng(seed)
    start, end = (
        int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())
        for day in (settings.start_date, settings.end_date)
    )
    drawn = {
        "user_id": rng.choice(user_ids, n),
        "device_type": rng.integers(-1, len(DEVICE_TYPES), n),
        "timestamp": rng.integers(start, end, n),
    }
    return validate(drawn)


def ask(address: str, requests: Requests) -> list[float]:
    """Asks one request after another over one connection; returns their latencies in milliseconds."""
    outputs = [grpc.InferRequestedOutput(tensor.name) for tensor in RESPONSE]
    latencies = []
    with grpc.InferenceServerClient(address) as client:
        for row in range(len(requests["user_id"])):
            inputs = [grpc.InferInput(tensor.name, [1], tensor.dtype) for tensor in REQUEST]
            for tensor in inputs:
                tensor.set_data_from_numpy(requests[tensor.name()][row : row + 1])
            start = time.perf_counter()
            client.infer(ENSEMBLE, inputs, outputs=outputs, client_timeout=TIMEOUT)
            latencies.append(1000 * (time.perf_counter() - start))
    return latencies


def measure(settings: Settings, requests: Requests, concurrency: int) -> Run:
    """Sends all requests, `concurrency` at a time.

    Raises:
        ActionableError: Triton is away, does not serve the ensemble, or failed a request.
    """
    address = f"{settings.host}:{settings.triton_grpc_port}"
    parts = [{name: values[i::concurrency] for name, values in requests.items()} for i in range(concurrency)]
    try:
        with ThreadPoolExecutor(concurrency) as threads:
            before, start = read_metrics(settings), time.perf_counter()
            latencies = np.concatenate(list(threads.map(lambda part: ask(address, part), parts)))
            seconds, after = time.perf_counter() - start, read_metrics(settings)
    except InferenceServerException as error:
        raise ActionableError(f"Triton at {address} failed a request: {error.message()}", START_TRITON) from error
    p50, p95, p99 = np.percentile(latencies, (50, 95, 99)).tolist()
    return Run(concurrency, len(latencies), len(latencies) / seconds, p50, p95, p99, stage_costs(before, after))


def read_metrics(settings: Settings) -> dict[str, Totals]:
    """Reads the running server's metrics; raises ActionableError where it is away."""
    url = f"http://{settings.host}:{settings.triton_metrics_port}/metrics"
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT) as page:
            return parse_metrics(page.read().decode())
    except (URLError, OSError) as error:
        raise ActionableError(f"Triton's metrics are not at {url}: {error}", START_TRITON) from error


def machine() -> str:
    """Returns cores and CPU model of this machine."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{psutil.cpu_count()} cores, {model or platform.processor() or platform.machine()}"


def show(console: Console, runs: list[Run]) -> None:
    """Prints latencies, and the stages of each run."""
    console.print(machine())
    latency = Table("concurrency", "requests", "requests/s", "p50 ms", "p95 ms", "p99 ms", title=ENSEMBLE)
    for run in runs:
        latency.add_row(
            str(run.concurrency),
            str(run.requests),
            f"{run.requests_per_second:.1f}",
            *(f"{ms:.1f}" for ms in (run.p50_ms, run.p95_ms, run.p99_ms)),
        )
    console.print(latency)
    for run in runs:
        stages = Table("model", "request ms", "queue ms", "compute ms", "share", title=f"concurrency {run.concurrency}")
        for cost in run.stages:
            times = (f"{ms:.2f}" for ms in (cost.request_ms, cost.queue_ms, cost.compute_ms))
            stages.add_row(cost.model, *times, f"{cost.share:.0%}")
        console.print(stages)


def main(
    requests: Annotated[int, typer.Option(min=10, help="Requests at each concurrency.")] = 1_000,
    concurrency: Annotated[list[int], typer.Option(min=1, help="How many at a time; may be given again.")] = [1, 4],  # noqa: B006
    seed: Annotated[int, typer.Option(help="Of the random users, devices and times.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")] = False,
) -> None:
    """Measures `ensemble_model` on the running local Triton."""
    settings = get_settings()
    try:
        file = open_store(settings).get("raw_users") / "users.parquet"
        user_ids = pl.read_parquet(file, columns=["user_id"])["user_id"].to_numpy()
        measure(settings, draw_requests(user_ids, WARM_UP, settings, seed + 1), max(concurrency))
        drawn = draw_requests(user_ids, requests, settings, seed)
        runs = [measure(settings, drawn, level) for level in concurrency]
    except ActionableError as error:
        Console(stderr=True).print(str(error), style="red")
        raise typer.Exit(1) from error
    if as_json:
        print(json.dumps({"machine": machine(), "runs": [asdict(run) for run in runs]}, indent=2))
    else:
        show(Console(), runs)


if __name__ == "__main__":
    typer.run(main)
