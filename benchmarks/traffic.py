"""Draws requests for the benchmarks, and measures their latency on the running Triton. Both share the machine."""

import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime

import numpy as np
import numpy.typing as npt
import polars as pl
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from benchmarks.triton_metrics import START_TRITON, TIMEOUT
from rec_assets.bundles.bundle import Bundle
from rec_assets.cli.local.server import LOOPBACK
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.request import DEVICE_TYPES, validate
from rec_assets.serving.graph.spec import RESPONSE
from rec_assets.serving.triton.infer_inputs import infer_inputs
from rec_assets.serving.triton.local_bundle import live_bundle
from rec_assets.settings import Settings
from rec_assets.storage.stores import open_store

Requests = dict[str, npt.NDArray[np.int32]]
Lists = list[tuple[list[int], list[float]]]


def free_ports(*more: str) -> dict[str, int]:
    """Returns settings with free ports for another Triton, and for the further port settings in `more`."""
    names = ("triton_grpc_port", "triton_metrics_port", *more)
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in names]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return {name: probe.getsockname()[1] for name, probe in zip(names, probes, strict=True)}


def live_bundle_here(settings: Settings) -> Bundle:
    """Opens the live bundle of the local Triton. Raises ActionableError if no bundle is live."""
    bundle = live_bundle(settings)
    if bundle is None:
        raise ActionableError("No bundle is live.", "Train and promote a first bundle with `make demo`.")
    return bundle


def known_users(settings: Settings) -> npt.NDArray[np.int32]:
    """Returns the raw ids of all users. Raises ActionableError if `raw_users` is missing."""
    file = open_store(settings).get("raw_users") / "users.parquet"
    return pl.read_parquet(file, columns=["user_id"])["user_id"].to_numpy().astype(np.int32)


def draw_requests(user_ids: npt.NDArray[np.int32], n: int, settings: Settings, seed: int) -> Requests:
    """Draws known users, devices (-1 unknown included) and times within the history; each int32 [n]."""
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


def ask(address: str, model: str, shape: Sequence[int], requests: Requests) -> tuple[list[float], Lists]:
    """Sends one request after another over one connection.

    Args:
        address: host and gRPC port.
        model: name of the model in Triton.
        shape: shape of each input of a request for one user.
        requests: the requests.

    Returns:
        Latencies in milliseconds, and item ids and scores of each list.
    """
    outputs = [grpc.InferRequestedOutput(tensor.name) for tensor in RESPONSE]
    latencies, lists = [], []
    with grpc.InferenceServerClient(address) as client:
        for row in range(len(requests["user_id"])):
            inputs = infer_inputs({name: values[row : row + 1] for name, values in requests.items()}, shape)
            start = time.perf_counter()
            answer = client.infer(model, inputs, outputs=outputs, client_timeout=TIMEOUT)
            latencies.append(1000 * (time.perf_counter() - start))
            ids, scores = (answer.as_numpy(tensor.name).ravel().tolist() for tensor in RESPONSE[:2])
            lists.append((ids, scores))
    return latencies, lists


def send(
    settings: Settings, model: str, shape: Sequence[int], requests: Requests, concurrency: int
) -> tuple[float, npt.NDArray[np.float64], Lists]:
    """Sends all requests with a given concurrency.

    Returns:
        Total seconds, latencies in milliseconds [n], and the lists in the order of the requests.

    Raises:
        ActionableError: Triton does not answer, does not serve the model, or failed a request.
    """
    address = f"{settings.host}:{settings.triton_grpc_port}"
    parts = [{name: values[i::concurrency] for name, values in requests.items()} for i in range(concurrency)]
    try:
        with ThreadPoolExecutor(concurrency) as threads:
            start = time.perf_counter()
            made = list(threads.map(lambda part: ask(address, model, shape, part), parts))
            seconds = time.perf_counter() - start
    except InferenceServerException as error:
        raise ActionableError(f"Triton at {address} failed a request: {error.message()}", START_TRITON) from error
    lists: Lists = [([], [])] * len(requests["user_id"])
    for first, (_, answers) in enumerate(made):
        lists[first::concurrency] = answers
    return seconds, np.concatenate([latencies for latencies, _ in made]), lists
