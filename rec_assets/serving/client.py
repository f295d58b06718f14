"""The client for other services: asks the running Triton for recommendations, and reports events."""

import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from rec_assets.common.errors import ActionableError
from rec_assets.realtime.events import FORGET_REQUEST, UNKNOWN_DEVICE, Event, Kind
from rec_assets.realtime.stream import EventStream
from rec_assets.realtime.trending import Trending
from rec_assets.serving.graph.request import DEVICE_TYPES, RequestError, validate
from rec_assets.serving.graph.spec import REQUEST, RESPONSE
from rec_assets.serving.triton.model_config import RECOMMENDER, shape_of_one
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
    """Connections to Triton and Valkey; each is opened at its first use and safe to keep and share."""

    def __init__(self, settings: Settings, model: str = RECOMMENDER) -> None:
        """Takes where Triton is, and one of `model_config.TOPOLOGIES`: both give the same answers."""
        self._settings = settings
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

    @cached_property
    def events(self) -> EventStream:
        """The stream that `record` and `forget` write to; it also tells how far the workers are."""
        return EventStream.connect(self._settings)

    @cached_property
    def _trending(self) -> Trending:
        return Trending.connect(self._settings)

    def record(
        self,
        user_id: int,
        item_ids: Sequence[int],
        at: int | datetime | None = None,
        kind: Kind = "clicked",
        device_type: int | Device | None = None,
    ) -> list[str]:
        """Reports that a user chose items; a worker applies it within milliseconds, or once one runs.

        Reporting the same again (user, item and second) changes nothing.

        Args:
            user_id: raw, from 0; a stranger who is to be remembered needs an id of his own.
            item_ids: raw.
            at: when, unix seconds or an aware datetime; now if left out. The future counts as now.
            kind: what he did.
            device_type: as in `recommend`.

        Returns:
            The entries in the stream, which `events.wait` takes.

        Raises:
            EventError: an argument cannot be part of an event; nothing was reported.
            RequestError: the device or the time cannot be understood.
            ActionableError: Valkey is away.
        """
        when, (device,) = self._moment(at), _device(device_type) or [UNKNOWN_DEVICE]
        told = {"user_id": user_id, "at": when, "kind": kind, "device_type": device}
        return self.events.send([Event.of({**told, "item_id": int(item)}) for item in item_ids])

    def forget(self, user_id: int) -> list[str]:
        """Has what a user has seen so far forgotten: it can be recommended again, and is his taste of today no more.

        It stays his history. What was reported before is forgotten even if it was not applied yet. Returns and raises
        as `record`.
        """
        return self.events.send([Event.of({"user_id": user_id, "at": self._moment(None), "kind": FORGET_REQUEST})])

    def flush(self, user_id: int) -> list[str]:
        """Does what `forget` does, under the name of release 0.1."""
        warnings.warn("Client.flush is now Client.forget.", FutureWarning, stacklevel=2)
        return self.forget(user_id)

    def trending(self, k: int = 10, category: int | None = None) -> list[tuple[int, int]]:
        """Returns at most `k` pairs of item id and interactions of the week, most popular first.

        Args:
            k: how many, at least 1.
            category: only this level-1 category.

        Raises:
            ActionableError: Valkey is away.
        """
        if k < 1:
            raise RequestError("k must be positive")
        return self._trending.top(k, category_l1=category)

    @staticmethod
    def _moment(at: int | datetime | None) -> int:
        (seconds,) = _seconds(at) or [int(time.time())]
        return seconds

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
