"""The inputs of a request to Triton over gRPC."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from tritonclient import grpc

from rec_assets.serving.graph.spec import REQUEST


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
