"""Measures how Triton's time of computation and its processor time for a request depend on the load.

A comparison of two bundles at different times needs a figure that does not. Start the servers with `rec up`.
"""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated

import numpy as np
import psutil
import typer
from rich.console import Console

from benchmarks.machine import machine
from rec_assets.serving.client import Client
from rec_assets.serving.triton.control.calls import call
from rec_assets.settings import Settings, get_settings

MODEL = "graph_runner"


def computations(settings: Settings) -> tuple[int, float]:
    """Returns the number of executed batches of one request, and the sum of their milliseconds."""
    models = call(settings, "return its statistics", lambda client: client.get_inference_statistics()).model_stats
    batches = [one.compute_infer for model in models if model.name == MODEL for one in model.batch_stats[:1]]
    return sum(one.count for one in batches), sum(one.ns for one in batches) / 1e6


def processor_ms(settings: Settings) -> float:
    """Returns the processor time of the processes of the model."""
    total = 0.0
    for process in psutil.process_iter(["cmdline", "cpu_times"]):
        words, times = " ".join(process.info["cmdline"] or []), process.info["cpu_times"]
        if "triton_python_backend_stub" in words and f"{settings.home.absolute()}/" in words and MODEL in words:
            total += 1000 * (times.user + times.system)
    return total


def ask(settings: Settings, seed: int, requests: int) -> None:
    """Requests lists of random users, one after the other."""
    client = Client(settings)
    for user in np.random.default_rng(seed).integers(1, settings.retail_users, requests).tolist():
        client.recommend(user, "mobile")


def main(requests: Annotated[int, typer.Option(help="Requests of each number of clients.")] = 1600) -> None:
    """Prints both times for 1, 4 and 16 clients of the same bundle."""
    settings, console = get_settings(), Console(width=140)
    ask(settings, 0, 100)
    for clients in (1, 4, 16):
        (count, ms), used = computations(settings), processor_ms(settings)
        with ThreadPoolExecutor(clients) as pool:
            list(pool.map(partial(ask, settings, requests=requests // clients), range(clients)))
        batches, computed = computations(settings)
        console.print(
            f"{clients} clients: {(computed - ms) / (batches - count):.1f} ms of computation for a batch of one, "
            f"{(processor_ms(settings) - used) / requests:.1f} ms of processor for a request; {machine()}"
        )


if __name__ == "__main__":
    typer.run(main)
