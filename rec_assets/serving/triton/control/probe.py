"""Trial requests that run every stage of the models that clients call."""

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.request import PROBE
from rec_assets.serving.graph.spec import BUNDLE_ID
from rec_assets.serving.triton import model_config
from rec_assets.serving.triton.control.calls import ServerTimeoutError, call
from rec_assets.serving.triton.model_config import RELATED_ITEMS, shape_of_one
from rec_assets.settings import Settings

PROBE_TIMEOUT_S = 5.0
_ANONYMOUS_USER = _UNKNOWN_ITEM = -1
_READ_LOG = "Read Triton's log. The previous bundle stays live."


def probe(
    settings: Settings,
    suffix: str = "",
    users: Sequence[int] = (),
    expected: str | None = None,
    *,
    busy_counts: bool = False,
) -> None:
    """Sends each topology requests for an anonymous user, which run every stage, and for some users.

    The model of the lists around a basket gets a basket without a known item, and returns an empty list.

    Args:
        settings: address of the server.
        suffix: appended to the names of the live topologies, for a version under test.
        users: raw ids of further users.
        expected: id of the bundle that must answer; any bundle by default.
        busy_counts: accept that a request is not answered in time, if the topology answered others meanwhile.

    Raises:
        ActionableError: a request fails, the list of the anonymous user is empty, or another bundle answers.
    """
    for topology in model_config.LIVE:
        name = topology + suffix
        if topology == RELATED_ITEMS:
            _require_answer(name, expected, call(settings, "answer", partial(_relate, name=name))[1])
            continue
        # Triton uses a model's processes in turn, so this many requests reach every process.
        for user in (*[_ANONYMOUS_USER] * settings.triton_instances, *users):
            before = _answered(settings, name) if busy_counts else 0
            try:
                items, by = call(
                    settings, "answer", partial(_recommend, name=name, shape=shape_of_one(topology), user=user)
                )
            except ServerTimeoutError:
                if busy_counts and _answered(settings, name) > before:
                    break
                raise
            _require_answer(name, expected, by)
            if user == _ANONYMOUS_USER and not items:
                raise ActionableError(f"{name} returned an empty list for an anonymous user.", _READ_LOG)


def _require_answer(name: str, expected: str | None, by: str) -> None:
    if expected not in (None, by):
        raise ActionableError(f"{name} answered from bundle {by}, not {expected}.", _READ_LOG)


def _relate(client: grpc.InferenceServerClient, name: str) -> tuple[int, str]:
    """Returns the length of the list for a basket of an unknown item, and the id of the bundle that made the list."""
    return _infer(client, name, [1], {"kind": 0, "item_ids": _UNKNOWN_ITEM})


def _answered(settings: Settings, name: str) -> int:
    """Returns the number of requests that a model has answered since the server started."""
    answer = call(settings, "return its statistics", lambda client: client.get_inference_statistics(name))
    return sum(one.inference_stats.success.count for one in answer.model_stats)


def _recommend(client: grpc.InferenceServerClient, name: str, shape: list[int], user: int) -> tuple[int, str]:
    """Returns the length of a user's list, and the id of the bundle that made the list."""
    return _infer(client, name, shape, {"user_id": user})


def _infer(
    client: grpc.InferenceServerClient, name: str, shape: list[int], values: Mapping[str, int]
) -> tuple[int, str]:
    inputs = [grpc.InferInput(key, shape, "INT64") for key in values]
    for one in inputs:
        one.set_data_from_numpy(np.full(shape, values[one.name()], np.int64))
    answer = client.infer(name, inputs, request_id=PROBE, client_timeout=PROBE_TIMEOUT_S)
    items, bundle = answer.as_numpy("ordered_ids"), answer.as_numpy(BUNDLE_ID.name)
    if items is None or bundle is None:  # a server that aborts may end a request so
        raise InferenceServerException("an answer without a list")
    return items.size, bundle.item().decode()
