"""The inputs of a request to Triton over gRPC."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient import grpc

from rec_assets.serving.graph.request import column
from rec_assets.serving.graph.spec import RELATED_REQUEST, REQUEST


def infer_inputs(request: Mapping[str, npt.NDArray[Any]], shape: Sequence[int]) -> list[grpc.InferInput]:
    """Returns all inputs of a request for one user, optional ones too: Triton batches only equal sets of inputs.

    Args:
        request: what `request.validate` returned for one user.
        shape: `model_config.shape_of_one` of the model.
    """
    inputs = []
    for tensor in REQUEST:
        full = [*shape, *tensor.dims]
        inputs.append(grpc.InferInput(tensor.name, full, tensor.dtype))
        values = request[tensor.name].reshape(full)
        inputs[-1].set_data_from_numpy(values if tensor.dtype == "BYTES" else values.astype(np.int64))
    return inputs


def related_inputs(request: Mapping[str, npt.ArrayLike]) -> list[grpc.InferInput]:
    """Returns the given inputs of a request for a list around a basket or a history; raises RequestError.

    Args:
        request: inputs of `graph.spec.RELATED_REQUEST`, integers [1] or [n]; absent ones are not sent.
    """
    inputs = []
    for tensor in RELATED_REQUEST:
        if tensor.name in request:
            # In errors, the length has the name that clients give it.
            values = column("k" if tensor.name == "length" else tensor.name, request[tensor.name]).astype(np.int64)
            inputs.append(grpc.InferInput(tensor.name, list(values.shape), tensor.dtype))
            inputs[-1].set_data_from_numpy(values)
    return inputs
