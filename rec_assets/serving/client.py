"""Asks the running Triton for recommendations, over gRPC."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from rec_assets.errors import ActionableError
from rec_assets.serving.graph import REQUEST, RESPONSE
from rec_assets.serving.model_config import RECOMMENDER, shape_of_one
from rec_assets.serving.request import DEVICE_TYPES, RequestError, validate
from rec_assets.settings import Settings

TIMEOUT = 10.0  # seconds

Device = Literal["mobile", "desktop", "tablet"]


@dataclass(frozen=True)
class Recommendations:
    """An ordered list for one user.

    Attributes:
        item_ids: raw ids, best first, int32 [k].
        scores: the ranker's probabilities, float32 [k].
        bundle_id: the bundle that answered.
        milliseconds: from question to answer, as the client saw it.
    """

    item_ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]
    bundle_id: str
    milliseconds: float

    def __len__(self) -> int:
        return len(self.item_ids)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        """Yields pairs of item id and score."""
        return iter(zip(self.item_ids.tolist(), self.scores.tolist(), strict=True))


class Client:
    """A connection to Triton; opened at the first question and safe to keep."""

    def __init__(self, settings: Settings, model: str = RECOMMENDER) -> None:
        """Takes where Triton is, and one of `model_config.TOPOLOGIES`: both give the same answers."""
        self._model = model
        self._shape = shape_of_one(model)
        self._address = f"{settings.host}:{settings.triton_grpc_port}"
        self._triton = grpc.InferenceServerClient(self._address)

    def recommend(
        self,
        user_id: int,
        device_type: int | Device | None = None,
        timestamp: int | datetime | None = None,
        k: int | None = None,
        diversity: bool | None = None,
    ) -> Recommendations:
        """Returns what to show a user.

        Args:
            user_id: raw; one the shop does not know is a stranger.
            device_type: a name or its number; unknown if left out.
            timestamp: when, unix seconds or an aware datetime; now if left out.
            k: at most so many items, and no more than the server's `ranking_topk`, which it is if left out.
            diversity: whether to draw the list, favouring high scores, instead of sorting it; as the server is
                configured if left out.

        Raises:
            RequestError: an argument cannot be part of a request.
            ActionableError: Triton is away, or serves no recommender.
        """
        if k is not None and k < 1:
            raise RequestError("k must be positive")
        given: dict[str, list[int] | None] = {
            "user_id": [user_id],
            "device_type": _device(device_type),
            "timestamp": _seconds(timestamp),
            "top_k": None if k is None else [k],
            "diversity": None if diversity is None else [int(diversity)],
        }
        request = validate(given, one_user=True)
        # All inputs, also what was left out: Triton makes batches only of requests that have the same ones.
        inputs = [grpc.InferInput(tensor.name, self._shape, tensor.dtype) for tensor in REQUEST]
        for one in inputs:
            one.set_data_from_numpy(request[one.name()].reshape(self._shape))
        outputs = [grpc.InferRequestedOutput(tensor.name) for tensor in RESPONSE]
        start = time.perf_counter()
        try:
            answer = self._triton.infer(self._model, inputs, outputs=outputs, client_timeout=TIMEOUT)
        except InferenceServerException as error:
            raise self._explained(error) from error
        elapsed = 1000 * (time.perf_counter() - start)
        ids, scores, bundle = (answer.as_numpy(tensor.name).ravel() for tensor in RESPONSE)
        return Recommendations(ids, scores, bundle.item().decode(), elapsed)

    def _explained(self, error: InferenceServerException) -> Exception:
        status, message = str(error.status()), str(error.message())
        if "INVALID_ARGUMENT" in status:
            return RequestError(message.removeprefix(f"in ensemble '{self._model}', "))
        if "UNAVAILABLE" in status and "model" not in message.lower():
            return ActionableError(f"Triton does not answer at {self._address}.", "Start it with `rec up`.")
        if "NOT_FOUND" in status or "UNAVAILABLE" in status:
            problem = f"Triton at {self._address} serves no {self._model} yet."
            return ActionableError(problem, "Train and promote a first bundle with `make demo`.")
        return ActionableError(f"Triton at {self._address} failed: {message}", "See its log; restart it with `rec up`.")


def _device(device: int | str | None) -> list[int] | None:
    if device is None:
        return None
    if isinstance(device, str):
        if device not in DEVICE_TYPES:
            raise RequestError(f"device_type is {', '.join(DEVICE_TYPES)} or a number, not '{device}'")
        return [DEVICE_TYPES[device]]
    return [device]


def _seconds(timestamp: int | datetime | None) -> list[int] | None:
    if timestamp is None:
        return None
    if isinstance(timestamp, datetime):
        if timestamp.tzinfo is None:
            raise RequestError("timestamp needs a time zone")
        return [int(timestamp.timestamp())]
    return [timestamp]
