"""Runs an ONNX model, the query tower or the ranker, on columns by input name."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from rec_assets.common.errors import ActionableError

_DTYPES = {"tensor(int32)": np.int32, "tensor(int64)": np.int64, "tensor(float)": np.float32}
_AGAIN = "Materialize query_tower, dlrm_model and model_bundle again."


def open_session(file: Path) -> ort.InferenceSession:
    """Loads a model for one thread; raises ActionableError if the file is not a model."""
    options = ort.SessionOptions()
    # A second thread slows down models of this size; requests run in parallel instead.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen unrelated types for a bad file
        raise ActionableError(f"{file} cannot be loaded as an ONNX model ({error}).", _AGAIN) from error


class OnnxModel:
    """An ONNX session that maps named columns to the model's first output."""

    def __init__(self, file: Path, available: Sequence[str], width: int) -> None:
        """Loads the model.

        Args:
            file: the `.onnx` file.
            available: names of the features that callers pass; the model may read a subset.
            width: columns of the model's first output.

        Raises:
            ActionableError: the file is not a model, reads an unavailable feature, or has another output shape.
        """
        self._session = open_session(file)
        self._dtypes = {entry.name: _DTYPES[entry.type] for entry in self._session.get_inputs()}
        unknown = sorted(set(self._dtypes) - set(available))
        if unknown:
            raise ActionableError(
                f"{file} reads features that serving does not provide ({', '.join(unknown)}).", _AGAIN
            )
        output = self._session.get_outputs()[0]
        if output.shape[-1] not in (width, None) and not isinstance(output.shape[-1], str):
            raise ActionableError(
                f"{file} has the wrong output ({output.name} {output.shape}; expected [n, {width}]).", _AGAIN
            )
        self._output = output.name
        self._width = width

    def __call__(self, features: Mapping[str, Any]) -> npt.NDArray[np.float32]:
        """Returns float32 [n, width] for features of [n] or [n, d]; ignores features that the model does not read."""
        rows = len(features[next(iter(self._dtypes))])
        if rows == 0:
            return np.empty((0, self._width), np.float32)
        columns = {name: features[name].astype(dtype, copy=False) for name, dtype in self._dtypes.items()}
        feed = {name: column.reshape(rows, -1) for name, column in columns.items()}
        return self._session.run([self._output], feed)[0].reshape(rows, -1)
