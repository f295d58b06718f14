"""The two models that other servers run without Python: by Triton's ONNX Runtime backend or its TensorFlow backend.

The laptop's server has the Python backend only; there, and in the one-process topology, the ONNX files run in Python.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import onnxruntime as ort
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInput, ModelOutput

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.spec import StageSpec, local_name
from rec_assets.serving.graph.spec import tensor as tensor_of

# Stages that are nothing but a model: the part of the bundle that each runs.
NATIVE = {"query_tower": "query_tower", "dlrm_ranking": "dlrm"}
ONNX, SAVED_MODEL = "model.onnx", "model.savedmodel"
_TYPES = {"tensor(int32)": "TYPE_INT32", "tensor(int64)": "TYPE_INT64", "tensor(float)": "TYPE_FP32"}


@dataclass(frozen=True)
class Backend:
    """A backend of Triton: what it runs, and the parameters that say how many threads one request takes."""

    file: str
    threads: tuple[str, str]
    platform: str = ""


BACKENDS = {
    "onnxruntime": Backend(ONNX, ("intra_op_thread_count", "inter_op_thread_count")),
    "tensorflow": Backend(SAVED_MODEL, ("TF_NUM_INTRA_THREADS", "TF_NUM_INTER_THREADS"), "tensorflow_savedmodel"),
}


def native_models(bundle: Bundle, backend: str) -> dict[str, Path]:
    """Returns what a backend runs, by stage; nothing for Python.

    Raises:
        ActionableError: the bundle was made without it.
    """
    if backend not in BACKENDS:
        return {}
    models = {stage: bundle.file(part).with_name(BACKENDS[backend].file) for stage, part in NATIVE.items()}
    for model in models.values():
        if not model.exists():
            raise ActionableError(
                f"Bundle {bundle.bundle_id} lacks {model.parent.name}/{model.name}, which the {backend} backend runs.",
                f"Set REC_TRITON_BACKEND={backend} where models are trained, too; rebuild query_tower, dlrm_model and "
                "model_bundle, or what was fine-tuned.",
            )
    return models


def make_native(config: ModelConfig, spec: StageSpec, bundle: Bundle, backend: str) -> None:
    """Turns the configuration of a Python model into one for another backend.

    The graph's columns are [rows], the model's [rows, 1]; Triton reshapes between them. What the model does not read is
    no input, hence not asked of the ensemble either (`narrowed`). Whatever runs, the ONNX file says what that is: both
    are exports of one function.

    Args:
        config: of the stage, with all tensors that it reads and makes.
        spec: the stage.
        bundle: what holds the model.
        backend: one of `BACKENDS`.

    Raises:
        ValueError: the model reads or makes what the graph has not, or in another type or width.
    """
    model = bundle.file(NATIVE[spec.name])
    session = ort.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    takes = {one.name: one for one in session.get_inputs()}
    gives = {one.name: one for one in session.get_outputs()}
    names = [local_name(name) for name in spec.reads]
    unknown = sorted(set(takes) - set(names)) + sorted({local_name(n) for n in spec.makes} - set(gives))
    if unknown:
        raise ValueError(f"{model} and the stage {spec.name} do not agree on {', '.join(unknown)}")
    kept = [one for one in config.input if one.name in takes]
    del config.input[:]
    config.input.extend(kept)
    _fit(config.input, takes, spec)
    _fit(config.output, gives, spec)
    config.backend, config.default_model_filename = backend, BACKENDS[backend].file
    config.platform = BACKENDS[backend].platform
    # Models this small lose time to a second thread; requests run side by side instead.
    for parameter in BACKENDS[backend].threads:
        config.parameters[parameter].string_value = "1"


def narrowed(spec: StageSpec, declared: set[str]) -> StageSpec:
    """Returns the stage as it is published: with those of its inputs that its model's configuration declares."""
    return replace(spec, reads=tuple(name for name in spec.reads if local_name(name) in declared))


def _fit(entries: "list[ModelInput] | list[ModelOutput]", model_side: Mapping[str, Any], spec: StageSpec) -> None:
    """Reshapes columns [rows] to the model's [rows, 1] and checks types and widths."""
    tensors = {local_name(name): tensor_of(name) for name in (*spec.reads, *spec.makes)}
    for entry in entries:
        width, theirs = tensors[entry.name].dims or (1,), model_side[entry.name]
        if theirs.shape[1:] != list(width) or DataType.Name(entry.data_type) != _TYPES.get(theirs.type):
            raise ValueError(f"{spec.name} has {entry.name} {theirs.type} {theirs.shape}, not [rows, {width[0]}]")
        if not tensors[entry.name].dims:
            entry.reshape.shape.extend([*entry.dims, 1])
