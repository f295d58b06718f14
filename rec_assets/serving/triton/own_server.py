"""Refuses the local Triton of another home. The server's id is a hash of the path of the home that started it."""

import hashlib
from contextlib import suppress

from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings

_PREFIX = "rec_assets-"  # servers of the charts have Triton's default id
_TIMEOUT_S = 2.0


def server_id(settings: Settings) -> str:
    """Returns the option `--id` of the Triton that this home starts."""
    return _PREFIX + hashlib.sha256(str(settings.home.absolute()).encode()).hexdigest()[:12]


def require_own_triton(settings: Settings) -> None:
    """Compares the id of the running server. A server that does not answer is not compared.

    Raises:
        ActionableError: another home started the server.
    """
    address, found = f"{settings.host}:{settings.triton_grpc_port}", ""
    with suppress(InferenceServerException):
        client = grpc.InferenceServerClient(address)
        try:
            found = client.get_server_metadata(client_timeout=_TIMEOUT_S).name
        finally:
            client.close()
    if found.startswith(_PREFIX) and found != server_id(settings):
        raise ActionableError(
            f"Triton at {address} belongs to another home than {settings.home}.",
            "Set REC_HOME or REC_TRITON_GRPC_PORT to the other one, or run `rec down` there and `rec up` here.",
        )
