"""Requests that the local servers must refuse: foreign hosts, other sites, bad numbers, Triton without its key."""

import json
from collections.abc import Callable
from functools import partial
from http.client import HTTPConnection

import numpy as np
import psutil
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from rec_assets.cli.local.server import LOOPBACK, Server
from rec_assets.cli.local.triton import Triton
from rec_assets.common.errors import ActionableError
from rec_assets.serving.triton.control import key as control_key
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER, shape_of_one
from rec_assets.settings import Settings


def process_of(server: Server) -> psutil.Process:
    """Returns the process of a running server; raises ActionableError if it does not run."""
    process = server.process.find()
    if process is None:
        raise ActionableError(f"{server.name} does not run.", "Read its log.")
    return process


def hostile_requests(settings: Settings) -> dict[str, bool]:
    """Sends requests that must be refused; returns whether each was."""
    event = json.dumps({"user_id": "1", "item_id": "1", "at": 1_742_040_000})
    port, kind = settings.storefront_port, {"Content-Type": "application/json"}
    cases = {
        "storefront: foreign host": ("POST", "/events", event, kind | {"Host": "evil.example"}, 400),
        "storefront: another site": ("POST", "/events", event, kind | {"Origin": "https://evil.example"}, 403),
        "storefront: text/plain": ("POST", "/events", event, {"Content-Type": "text/plain"}, 422),
        "storefront: true as a user": ("POST", "/events", event.replace('"1",', "true,", 1), kind, 422),
        "storefront: NaN as a user": ("POST", "/events", event.replace('"1",', "NaN,", 1), kind, 422),
        "storefront: 1e400 as a user": ("POST", "/events", event.replace('"1",', "1e400,", 1), kind, 422),
        "storefront: a megabyte": ("POST", "/events", "[" * 1_000_000, kind, 413),
    }
    refused = {}
    for name, (method, path, body, headers, status) in cases.items():
        connection = HTTPConnection(LOOPBACK, port, timeout=20)
        try:
            connection.request(method, path, body, headers)
            refused[name] = connection.getresponse().status == status
        except (BrokenPipeError, ConnectionResetError):  # refused before the whole body was sent
            refused[name] = True
        connection.close()
    server = process_of(Triton(settings))
    open_ports = {one.laddr.port for one in server.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    refused["Triton: HTTP"] = open_ports == {settings.triton_grpc_port, settings.triton_metrics_port}
    with grpc.InferenceServerClient(f"{LOOPBACK}:{settings.triton_grpc_port}") as stranger:
        calls: dict[str, Callable[[], object]] = {
            "Triton: load a model without the key": partial(stranger.load_model, RECOMMENDER),
            "Triton: shared memory without the key": stranger.get_system_shared_memory_status,
        }
        for name, call in calls.items():
            try:
                call()
                refused[name] = False
            except InferenceServerException as error:
                refused[name] = "restricted" in str(error.message())
        for topology in (RECOMMENDER, ENSEMBLE):
            refused[f"{topology}: user 4294967301"] = _refuses_wide_user(stranger, topology)
    key = control_key.read(settings)
    refused["the control key on the command line"] = not any(key in word for word in server.cmdline())
    return refused


def _refuses_wide_user(client: grpc.InferenceServerClient, topology: str) -> bool:
    user = grpc.InferInput("user_id", shape_of_one(topology), "INT64")
    user.set_data_from_numpy(np.full(shape_of_one(topology), 2**32 + 5))
    try:
        client.infer(topology, [user])
    except InferenceServerException as error:
        return "32 bits" in str(error.message())
    return False
