"""The two models that Triton's ONNX Runtime backend runs without Python, on servers that have it.

The laptop's server has the Python backend only; there, and in the one-process topology, the same files run in Python.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import onnxruntime as ort
from tritonclient.grpc.model_config_pb2 import DataType, ModelConfig, ModelInput, ModelOutput

from rec_assets.serving.graph import StageSpec, local_name
from rec_assets.serving.graph import tensor as tensor_of

# Stages that are nothing but a model: the part of the bundle that each runs.
NATIVE = {"query_tower": "query_tower", "dlrm_ranking": "dlrm"}
MODEL_FILE = "model.onnx"
_TYPES = {"tensor(int32)": "TYPE_INT32", "tensor(int64)": "TYPE_INT64", "tensor(float)": "TYPE_FP32"}


def make_native(config: ModelConfig, spec: StageSpec, model: Path) -> None:
    """Turns the configuration of a Python model into one for the ONNX Runtime backend.

    The graph's columns are [rows], the model's [rows, 1]; Triton reshapes between them. What the model does not read is
    no input, hence not asked of the ensemble either (`narrowed`).

    Args:
        config: of the stage, with all tensors that it reads and makes.
        spec: the stage.
        model: its `.onnx` file.

    Raises:
        ValueError: the model reads or makes what the graph has not, or in another type or width.
    """
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
    for entry in config.input:
        _fit(entry, takes[entry.name], spec)
    for entry in config.output:
        _fit(entry, gives[entry.name], spec)
    config.backend, config.default_model_filename = "onnxruntime", MODEL_FILE
    # Models this small lose time to a second thread; requests run side by side instead.
    for parameter in ("intra_op_thread_count", "inter_op_thread_count"):
        config.parameters[parameter].string_value = "1"


def narrowed(spec: StageSpec, declared: set[str]) -> StageSpec:
    """Returns the stage as it is published: with those of its inputs that its model's configuration declares."""
    return replace(spec, reads=tuple(name for name in spec.reads if local_name(name) in declared))


def _fit(entry: "ModelInput | ModelOutput", model_side: Any, spec: StageSpec) -> None:
    """Reshapes a column [rows] to the model's [rows, 1] and checks type and width."""
    name = next(one for one in (*spec.reads, *spec.makes) if local_name(one) == entry.name)
    width = tensor_of(name).dims or (1,)
    if model_side.shape[1:] != list(width) or DataType.Name(entry.data_type) != _TYPES.get(model_side.type):
        raise ValueError(f"{spec.name} has {entry.name} {model_side.type} {model_side.shape}, not [rows, {width[0]}]")
    if not tensor_of(name).dims:
        entry.reshape.shape.extend([*entry.dims, 1])
