"""Load on a running HTTP API: several callers send requests one after another, each on its own connection."""

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Load:
    """Measurements of a load.

    Attributes:
        seconds: time from the first request to the last response.
        milliseconds: time of each request with status 200, float64 [n].
        failures: one reason for each request without status 200.
    """

    seconds: float
    milliseconds: npt.NDArray[np.float64]
    failures: list[str]

    def __str__(self) -> str:
        """Returns requests per second, p50 and p99 of the answered requests, and the number of failures."""
        answered = len(self.milliseconds)
        p50, p99 = np.percentile(self.milliseconds, [50, 99]) if answered else (float("nan"), float("nan"))
        return (
            f"{answered:,} answers in {self.seconds:.1f} s: {answered / self.seconds:.1f} requests/s, "
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, {len(self.failures):,} failed"
        )


def send(address: str, path: str, bodies: Sequence[Any], key: str, callers: int) -> Load:
    """Sends each body once and waits for all responses.

    Args:
        address: scheme, host and port of the API, such as http://localhost:8090.
        path: path of a POST request, such as /recommend.
        bodies: bodies without their form as JSON.
        key: API key; empty: none.
        callers: number of requests at a time.
    """
    parts = [bodies[first::callers] for first in range(callers)]
    began = time.perf_counter()
    with ThreadPoolExecutor(callers) as threads:
        found = list(threads.map(lambda part: _call(address, path, part, key), parts))
    seconds = time.perf_counter() - began
    times = np.array([one for milliseconds, _ in found for one in milliseconds], np.float64)
    return Load(seconds, times, [one for _, failures in found for one in failures])


def _call(address: str, path: str, bodies: Sequence[Any], key: str) -> tuple[list[float], list[str]]:
    """Sends bodies over one connection, which is opened again after an error."""
    parts = urlsplit(address)
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=TIMEOUT_S)
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    milliseconds, failures = [], []
    for body in bodies:
        began = time.perf_counter()
        try:
            connection.request("POST", path, json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, HTTPException) as error:
            connection.close()
            failures.append(f"{type(error).__name__}: {error}")
            continue
        if answer.status == 200:
            milliseconds.append(1000 * (time.perf_counter() - began))
        else:
            failures.append(f"status {answer.status}: {content.decode(errors='replace')[:300]}")
    connection.close()
    return milliseconds, failures
