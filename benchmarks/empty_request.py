"""Measures what a request costs beside its computation: Triton with an empty model, and round trips to Valkey.

    python -m benchmarks.empty_request

Starts a Triton and a Valkey of its own. The empty model has the inputs and outputs of `recommender` and returns one
constant list, so its time is that of client, gRPC, scheduler and Python backend. The round trips are those of a
request, as prepared bytes on a plain socket: no client library, and no parsing of the answers.
"""

import socket
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from google.protobuf import text_format
from rich.console import Console
from rich.table import Table
from tritonclient.grpc.model_config_pb2 import ModelConfig

from benchmarks.machine import machine
from benchmarks.processes import SERVER, usage
from benchmarks.traffic import Requests, free_ports, send
from rec_assets.cli.local.server import LOOPBACK
from rec_assets.cli.local.triton import Triton
from rec_assets.cli.local.valkey import Valkey
from rec_assets.features.history import LENGTH
from rec_assets.realtime.stores.recent_items import RecentItems
from rec_assets.realtime.stores.seen_items import SeenItems
from rec_assets.serving.graph.request import validate
from rec_assets.serving.graph.spec import WHOLE
from rec_assets.serving.triton.model_config import RECOMMENDER, shape_of_one
from rec_assets.serving.triton.model_repository import repository_path
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.valkey.client import connect
from rec_assets.storage.valkey.round_trip import packed

EMPTY = "empty"
TEMPLATES = Path(__file__).parents[1] / "triton_model_repository"
MODEL = """
import numpy as np
import triton_python_backend_utils as pb


class TritonPythonModel:
    def initialize(self, args):
        ids, scores = np.arange({k}, dtype=np.int32)[None], np.full((1, {k}), 0.5, np.float32)
        texts = {{"bundle_id": b"0" * 12, "answer_id": b"0" * 32}}
        self.lists = [pb.Tensor("ordered_ids", ids), pb.Tensor("ordered_scores", scores)]
        self.lists += [pb.Tensor(name, np.array([[text]], np.object_)) for name, text in texts.items()]

    def execute(self, requests):
        for request in requests:
            for tensor in request.inputs():
                tensor.as_numpy()
        return [pb.InferenceResponse(self.lists) for _ in requests]
"""


class EmptyTriton(Triton):
    """A Triton that serves only the empty model."""

    def command(self) -> list[str]:
        """Writes the model, with the configuration of the whole graph, and returns the command line."""
        folder = repository_path(self.settings) / EMPTY
        (folder / "1").mkdir(parents=True, exist_ok=True)
        config = ModelConfig()
        text_format.Parse((TEMPLATES / WHOLE.name / "config.pbtxt").read_text(), config)
        config.name = EMPTY
        (folder / "config.pbtxt").write_text(text_format.MessageToString(config))
        (folder / "1" / "model.py").write_text(MODEL.format(k=self.settings.ranking_topk))
        return [*super().command(), f"--load-model={EMPTY}"]


def empty_requests(settings: Settings, requests: Requests, concurrency: int) -> tuple[float, ...]:
    """Returns p50, p99, and milliseconds of processor a request: of Triton, of its model, and of the client."""
    used, client = usage(settings), time.process_time()
    _, latencies, _ = send(settings, EMPTY, shape_of_one(RECOMMENDER), requests, concurrency)
    client, use = time.process_time() - client, usage(settings)
    spent = [use[name].cpu_s - used[name].cpu_s for name in (SERVER, EMPTY)]
    p50, p99 = np.percentile(latencies, (50, 99)).tolist()
    return p50, p99, *(1000 * seconds / len(latencies) for seconds in (*spent, client))


def round_trip(connection: socket.socket, command: bytes, size: int) -> float:
    """Sends a command and reads an answer of `size` bytes; returns milliseconds."""
    start, received = time.perf_counter(), 0
    connection.sendall(command)
    while received < size:
        received += len(connection.recv(65_536))
    return 1000 * (time.perf_counter() - start)


def round_trips(settings: Settings, times: int) -> dict[str, tuple[int, float]]:
    """Returns the bytes of the answer, and the median milliseconds, of a full history and of a lookup of seen items."""
    client, user, items = connect(settings), 1, list(range(settings.retrieval_topk))
    RecentItems(client).add_each(user, [(item, 1_742_000_000 + item) for item in range(LENGTH)])
    SeenItems(client).add(user, items[::2], 1)
    commands = {
        "history of 400 events": RecentItems.commands(np.array([user], np.int32))[0],
        f"{len(items)} items in a Bloom filter": packed(b"BF.MEXISTS", SeenItems.key(user).encode(), numbers=items),
    }
    found = {}
    with socket.create_connection((LOOPBACK, settings.valkey_port)) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for name, command in commands.items():
            connection.sendall(command)
            time.sleep(0.1)  # until the whole answer is there
            size = len(connection.recv(1 << 20))
            found[name] = size, float(np.median([round_trip(connection, command, size) for _ in range(times)]))
    return found


def main(
    requests: Annotated[int, typer.Option(min=100, help="Requests of a turn.")] = 1_000,
    turns: Annotated[int, typer.Option(min=1, help="Turns; the table has their medians.")] = 5,
) -> None:
    """Prints latency and processor time of an empty request at 1 and 16 at a time, and of the round trips."""
    console, rng = Console(), np.random.default_rng(0)
    names = {"user_id": 10_000, "device_type": 3, "timestamp": 1_742_000_000}
    drawn = validate({name: rng.integers(0, most, requests) for name, most in names.items()})
    table = Table("concurrency", "p50 ms", "p99 ms", "CPU ms: Triton", "model", "client")
    with TemporaryDirectory() as home:
        settings = get_settings().model_copy(update={"home": Path(home), **free_ports("valkey_port")})
        servers = [Valkey(settings), EmptyTriton(settings)]
        try:
            for server in servers:
                server.start()
            for concurrency in (1, 16):
                made = [empty_requests(settings, drawn, concurrency) for _ in range(turns + 1)][1:]
                table.add_row(str(concurrency), *(f"{value:.2f}" for value in np.median(made, axis=0)))
            trips = round_trips(settings, 20 * requests)
        finally:
            for server in reversed(servers):
                server.stop()
    console.print(machine())
    console.print(table)
    for name, (size, ms) in trips.items():
        console.print(f"{name}: {size} bytes, {ms:.3f} ms")


if __name__ == "__main__":
    typer.run(main)
