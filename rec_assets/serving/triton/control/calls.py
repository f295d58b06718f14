"""Calls to a Triton that may need the control key, with actionable errors."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tritonclient import grpc
from tritonclient.grpc import InferenceServerClientPlugin, Request
from tritonclient.utils import InferenceServerException

from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton.control import key as control_key
from rec_assets.settings import Settings

TRACEBACK = "\n\nAt:"  # begins the traceback in an error of a Python model
_TIMEOUT = "StatusCode.DEADLINE_EXCEEDED"

T = TypeVar("T")


class ServerTimeoutError(ActionableError):
    """The server did not answer in time: it is busy, or it hangs."""


def call(settings: Settings, action: str, do: Callable[[grpc.InferenceServerClient], T]) -> T:
    """Runs a call to the server.

    Raises:
        ServerTimeoutError: the server did not answer in time.
        ActionableError: the call failed: "Triton at … could not <action>".
    """
    with control_client(settings) as client:
        try:
            return do(client)
        except InferenceServerException as error:
            kind = ServerTimeoutError if error.status() == _TIMEOUT else ActionableError
            raise kind(
                f"Triton at {settings.host}:{settings.triton_grpc_port} could not {action}: "
                f"{error.message().split(TRACEBACK)[0].strip()}",
                "Check `rec status` and Triton's log. Start a local server with `rec up`.",
            ) from error


@contextmanager
def control_client(settings: Settings) -> Iterator[grpc.InferenceServerClient]:
    """Yields a client with the control key."""
    client = grpc.InferenceServerClient(f"{settings.host}:{settings.triton_grpc_port}")
    if key := control_key.read(settings):
        client.register_plugin(_ControlKey(key))
    try:
        yield client
    finally:
        client.close()


class _ControlKey(InferenceServerClientPlugin):
    """Adds the control key to requests, for servers that restrict model changes (deploy/helm/triton)."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: Request) -> None:
        request.headers["triton-grpc-protocol-control-key"] = self._key
