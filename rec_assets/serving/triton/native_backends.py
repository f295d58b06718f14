"""Configuration of the two models that Triton can run without Python, in its ONNX Runtime or TensorFlow backend.

The local server has only the Python backend. There, and in the one-process topology, Python runs the ONNX files.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnxruntime as ort
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInput, ModelOutput

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.export_report import MODEL, SAVED_MODEL
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.spec import StageSpec, local_name
from rec_assets.serving.graph.spec import tensor as tensor_of

# Stages that consist of one model, and the part of the bundle with that model.
NATIVE = {"query_tower": "query_tower", "dlrm_ranking": "dlrm"}
_TYPES = {"tensor(int32)": "TYPE_INT32", "tensor(int64)": "TYPE_INT64", "tensor(float)": "TYPE_FP32"}


@dataclass(frozen=True)
class Backend:
    """A backend of Triton: its model file, and its parameters for the number of threads per request."""

    file: str
    threads: tuple[str, str]
    platform: str = ""


BACKENDS = {
    "onnxruntime": Backend(MODEL, ("intra_op_thread_count", "inter_op_thread_count")),
    "tensorflow": Backend(SAVED_MODEL, ("TF_NUM_INTRA_THREADS", "TF_NUM_INTER_THREADS"), "tensorflow_savedmodel"),
}


def native_models(bundle: Bundle, backend: str) -> dict[str, Path]:
    """Returns the model files of a backend by stage; an empty dict for the Python backend.

    Raises:
        ActionableError: the bundle has no model files for the backend.
    """
    if backend not in BACKENDS:
        return {}
    models = {stage: bundle.file(part).with_name(BACKENDS[backend].file) for stage, part in NATIVE.items()}
    for model in models.values():
        if not model.exists():
            raise ActionableError(
                f"Bundle {bundle.bundle_id} lacks {model.parent.name}/{model.name}, which the {backend} backend runs.",
                f"Set REC_TRITON_BACKEND={backend} for training too. Then rebuild query_tower, dlrm_model and "
                "model_bundle, or their fine-tuned versions.",
            )
    return models


def make_native(config: ModelConfig, spec: StageSpec, bundle: Bundle, backend: str) -> None:
    """Changes the configuration of a Python model into one for another backend.

    Columns of the graph are [rows], columns of the model [rows, 1]; Triton reshapes between them. Inputs that the model
    does not read are removed, also from the ensemble (`narrowed`). The ONNX file describes the inputs and outputs for
    both backends, because both model files are exports of one function.

    Args:
        config: configuration of the stage, with all its inputs and outputs; changed in place.
        spec: the stage.
        bundle: the bundle with the model.
        backend: one of `BACKENDS`.

    Raises:
        ValueError: an input or output of the model is not in the graph, or has another type or width there.
    """
    model = bundle.file(NATIVE[spec.name])
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    takes = {one.name: one for one in session.get_inputs()}
    gives = {one.name: one for one in session.get_outputs()}
    names = [local_name(name) for name in spec.reads]
    unknown = sorted(set(takes) - set(names)) + sorted({local_name(n) for n in spec.makes} - set(gives))
    if unknown:
        raise ValueError(f"{model} and the stage {spec.name} have different tensors ({', '.join(unknown)})")
    kept = [one for one in config.input if one.name in takes]
    del config.input[:]
    config.input.extend(kept)
    _fit(config.input, takes, spec)
    _fit(config.output, gives, spec)
    config.backend, config.default_model_filename = backend, BACKENDS[backend].file
    config.platform = BACKENDS[backend].platform
    # A second thread slows down models of this size. Requests run in parallel instead.
    for parameter in BACKENDS[backend].threads:
        config.parameters[parameter].string_value = "1"


def narrowed(spec: StageSpec, declared: set[str]) -> StageSpec:
    """Returns the stage with only the inputs in `declared`, the inputs of its model's configuration."""
    return replace(spec, reads=tuple(name for name in spec.reads if local_name(name) in declared))


def _fit(entries: "list[ModelInput] | list[ModelOutput]", model_side: Mapping[str, Any], spec: StageSpec) -> None:
    """Reshapes columns [rows] to the model's [rows, 1] and checks types and widths."""
    tensors = {local_name(name): tensor_of(name) for name in (*spec.reads, *spec.makes)}
    for entry in entries:
        width, actual = tensors[entry.name].dims or (1,), model_side[entry.name]
        if actual.shape[1:] != list(width) or DataType.Name(entry.data_type) != _TYPES.get(actual.type):
            raise ValueError(f"{spec.name} has {entry.name} {actual.type} {actual.shape}, not [rows, {width[0]}]")
        if not tensors[entry.name].dims:
            entry.reshape.shape.extend([*entry.dims, 1])
