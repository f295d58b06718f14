"""Asks models of Triton over one kept connection, with errors that a person can act on."""

import time
from collections.abc import Sequence
from typing import Any

import numpy.typing as npt
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from rec_assets.common.traces import tracing
from rec_assets.serving.graph.spec import Tensor
from rec_assets.serving.triton.availability import failed, translated
from rec_assets.settings import Settings

TIMEOUT = 10.0  # seconds
CHANNEL = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # gRPC would wait up to two minutes before it tries a restarted server again.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class Connection:
    """A connection to Triton; it opens at its first use and is safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        """Stores the address of Triton."""
        self._settings = settings
        self._triton = grpc.InferenceServerClient(f"{settings.host}:{settings.triton_grpc_port}", channel_args=CHANNEL)

    def infer(
        self,
        model: str,
        inputs: Sequence[grpc.InferInput],
        tensors: Sequence[Tensor],
        timeout: float = TIMEOUT,
        request_id: str = "",
    ) -> tuple[dict[str, npt.NDArray[Any]], float]:
        """Returns the wanted tensors of a model's answer by name, and the milliseconds until it arrived.

        Raises:
            RequestError: Triton refuses the request.
            UnavailableError: Triton is unreachable, fails, or does not serve the model.
        """
        outputs = [grpc.InferRequestedOutput(tensor.name) for tensor in tensors]
        start = time.perf_counter()
        try:
            with tracing.call(f"triton {model}", {"rpc.system.name": "grpc"}):
                answer = self._triton.infer(
                    model,
                    inputs,
                    outputs=outputs,
                    request_id=request_id,
                    client_timeout=timeout,
                    headers=tracing.headers(),
                )
        except InferenceServerException as error:
            raise translated(self._settings, error, model) from error
        elapsed = 1000 * (time.perf_counter() - start)
        made = {tensor.name: answer.as_numpy(tensor.name) for tensor in tensors}
        if any(one is None for one in made.values()):  # a server that aborts may end a request so
            raise failed(self._settings, "an answer without a list")
        return made, elapsed
