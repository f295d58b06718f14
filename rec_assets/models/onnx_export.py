"""Exports a Keras model to ONNX with named inputs, for a serving that knows no TensorFlow."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
import tf2onnx

from rec_assets.models.rows import Arrays, as_columns

OPSET = 17


def export_onnx(
    model: Callable[[Mapping[str, Any]], Any], example: Arrays, output: str, file: Path
) -> npt.NDArray[np.float32]:
    """Writes `file` and returns what the Keras model answers to `example`, for comparison.

    Args:
        model: columns ([n, 1] or [n, d]) in, one tensor [n, …] out.
        example: some rows ([n] or [n, d]) with every input the model reads, and no other.
        output: the name of the output.
        file: where to write.
    """
    columns = as_columns(example)
    names = sorted(columns)
    signature = [tf.TensorSpec([None, columns[n].shape[1]], columns[n].dtype, name=n) for n in names]

    @tf.function(input_signature=signature, autograph=False)
    def forward(*values: Any) -> dict[str, Any]:
        return {output: model(dict(zip(names, values, strict=True)))}

    tf2onnx.convert.from_function(forward, input_signature=signature, opset=OPSET, output_path=str(file))
    return forward(*(tf.constant(columns[n]) for n in names))[output].numpy()
