"""Serves the HTTP API, with a Valkey and without a Triton."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.client import HTTPConnection
from typing import Any

import pytest

from rec_assets.serving.api.app import api_server
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port, in_thread

Ask = Callable[..., tuple[int, Any]]
NOON = 1_742_040_000


def asking(address: str) -> Ask:
    """Returns a function that sends a request and returns status and parsed body."""

    def ask(path: str, body: object = None, method: str = "", **headers: str) -> tuple[int, Any]:
        host, _, port = address.rpartition(":")
        connection = HTTPConnection(host, int(port), timeout=20)
        content = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        sent = {"Content-Type": "application/json", **{name.title(): value for name, value in headers.items()}}
        connection.request(method or ("GET" if body is None else "POST"), path, content, sent)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    return ask


@pytest.fixture
def serve() -> Iterator[Callable[[Settings], Ask]]:
    """Serves the API for settings on a free port, until the test ends."""
    with ExitStack() as stack:

        def start(settings: Settings) -> Ask:
            own = settings.model_copy(update={"api_port": free_port()})
            return asking(stack.enter_context(in_thread(api_server(own))))

        yield start


@pytest.fixture
def alone(valkey: Settings) -> Settings:
    """Settings with a Valkey, but without a Triton."""
    return valkey.model_copy(update={"triton_grpc_port": free_port()})
