"""Measures the cost of the HTTP API: the same requests by gRPC, by `HttpClient`, and on kept connections, in turns.

    rec up; python -m benchmarks.api

Triton, the API and this script share the cores of this machine. The API of the settings must not run yet.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPConnection
from pathlib import Path
from typing import Annotated

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.machine import machine
from benchmarks.traffic import known_users
from rec_assets.cli.local.server import is_open
from rec_assets.common.silence import silence_deprecations
from rec_assets.serving.client import Client
from rec_assets.serving.http_client import HttpClient
from rec_assets.settings import Settings, get_settings

K, WARM_UP = 20, 50
HEAD = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"


def callers_of(settings: Settings) -> dict[str, Callable[[int], object]]:
    """Returns a request of a user's list by each way."""
    client, http = Client(settings), HttpClient(f"http://127.0.0.1:{settings.api_port}")
    connection = HTTPConnection("127.0.0.1", settings.api_port)
    plain = socket.create_connection(("127.0.0.1", settings.api_port))

    def body_for(user: int) -> bytes:
        return json.dumps({"user_id": str(user), "device": "mobile", "k": K}).encode()

    def kept(user: int) -> object:
        connection.request("POST", "/recommend", body_for(user), {"Content-Type": "application/json"})
        return connection.getresponse().read()

    def without_client(user: int) -> object:
        body = body_for(user)
        plain.sendall(HEAD % len(body) + body)
        answer = b""
        while not answer.endswith(b'"}'):
            answer += plain.recv(1 << 16)
        return answer

    return {
        "gRPC": lambda user: client.recommend(user, "mobile", k=K),
        "HttpClient": lambda user: http.recommend(user, "mobile", k=K),
        "http.client of Python": kept,
        "a plain socket": without_client,
    }


def measured_times(
    callers: Mapping[str, Callable[[int], object]], users: Sequence[int]
) -> dict[str, npt.NDArray[np.float64]]:
    """Returns the milliseconds of each request by each way, without the first `WARM_UP`."""
    times: dict[str, list[float]] = {name: [] for name in callers}
    for user in users:
        for name, call in callers.items():
            start = time.perf_counter()
            call(user)
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: np.array(values[WARM_UP:]) for name, values in times.items()}


def main(requests: Annotated[int, typer.Option(help="Requests by each way.")] = 1000) -> None:
    """Prints p50 and p99 of each way, and the median of the differences to gRPC."""
    silence_deprecations()
    settings = get_settings()
    users = np.random.default_rng(0).choice(known_users(settings), requests + WARM_UP).tolist()
    with subprocess.Popen([Path(sys.executable).with_name("rec"), "api"], stdout=subprocess.DEVNULL) as server:
        try:
            while not is_open(settings.api_port):
                time.sleep(0.1)
            times = measured_times(callers_of(settings), users)
        finally:
            server.terminate()
    shown = Table("", "p50", "p99", "more than gRPC")
    for name, values in times.items():
        more = float(np.median(values - times["gRPC"]))
        p50, p99 = np.quantile(values, [0.5, 0.99])
        shown.add_row(name, f"{p50:.2f} ms", f"{p99:.2f} ms", f"{more:.2f} ms")
    Console().print(shown)
    typer.echo(f"{requests:,} requests by each way; {machine()}")


if __name__ == "__main__":
    typer.run(main)
