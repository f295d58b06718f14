"""Renders the Triton model repository from the serving graph: the text of every config.pbtxt and model.py."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from google.protobuf import text_format
from tritonclient.grpc.model_config_pb2 import ModelConfig

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.graph.spec import (
    ANSWER_ID,
    BUNDLE_ID,
    REASON,
    RELATED,
    RELATED_REQUEST,
    RELATED_RESPONSE,
    REQUEST,
    RESPONSE,
    STAGES,
    WHOLE,
    StageSpec,
    Tensor,
    local_name,
    tensor,
)
from rec_assets.serving.triton.native_backends import make_native
from rec_assets.settings import Settings

ENSEMBLE = "ensemble_model"
RECOMMENDER = "recommender"
# The models that clients call. They are ensembles: to switch one, only the version of its steps changes.
TOPOLOGIES: dict[str, tuple[StageSpec, ...]] = {RECOMMENDER: (WHOLE,), ENSEMBLE: STAGES}
RELATED_ITEMS = "related_items"
MEMBERS = (*STAGES, WHOLE, RELATED)
MAX_BATCH = {WHOLE.name: 64}  # users per batch; the other members take one request at a time

VERSION_PARAMETER = "bundle_version"
BUNDLE_PARAMETER = "bundle_id"

# Settings that a deployment can change without a new bundle, by stage; they override the settings of `StageModel`.
KNOBS = {
    "faiss_retrieval": ("retrieval_topk",),
    "filter_seen_items": ("ranking_topk",),
    "softmax_sampling": ("ranking_topk", "diversity_mode"),
    WHOLE.name: ("retrieval_topk", "ranking_topk", "diversity_mode"),
}

_ONE_ROW = frozenset({"request", "context", "raw_user", "user", "query"})
_TYPES = {"INT32": "TYPE_INT32", "INT64": "TYPE_INT64", "FP32": "TYPE_FP32", "BYTES": "TYPE_STRING"}
_HEADER = "# Generated from rec_assets/serving/graph/spec.py: python -m rec_assets.serving.triton.model_repository\n"
_MODEL = '''"""Triton model of the stage `{stage}`, see rec_assets/serving/stages/."""

from rec_assets.serving.triton.stage_model import StageModel


class TritonPythonModel(StageModel):
    """The class that Triton loads."""

    stage = "{stage}"
'''
_WHOLE_MODEL = '''"""Triton model of the whole graph, see rec_assets/serving/runner.py."""

from rec_assets.serving.triton.graph_model import GraphModel


class TritonPythonModel(GraphModel):
    """The class that Triton loads."""
'''


def ensembles() -> dict[str, tuple[StageSpec, ...]]:
    """Returns the members of every model that clients call. A promotion switches all of them."""
    return {**TOPOLOGIES, RELATED_ITEMS: (RELATED,)}


def render(settings: Settings) -> dict[str, str]:
    """Returns the model repository without a bundle: texts by path, such as `query_tower/1/model.py`.

    Args:
        settings: gives the values of `KNOBS` and the number of instances.
    """
    files = {}
    for spec in MEMBERS:
        files[f"{spec.name}/config.pbtxt"] = member_config(spec, settings)
        files[f"{spec.name}/1/model.py"] = model_source(spec)
    for name, steps in ensembles().items():
        files[f"{name}/config.pbtxt"] = ensemble_config(name, 1, steps)
        files[f"{name}/1/.gitkeep"] = ""  # an ensemble needs a version folder too
    return files


def model_source(spec: StageSpec) -> str:
    """Returns the text of a member's `model.py`."""
    return _WHOLE_MODEL if spec == WHOLE else _MODEL.format(stage=spec.name)


def member_config(spec: StageSpec, settings: Settings, native: Bundle | None = None) -> str:
    """Returns the `config.pbtxt` of one stage. All its versions stay loaded, so ensembles can switch between them.

    Args:
        spec: the stage.
        settings: gives the values of `KNOBS`, the number of instances and the backend.
        native: bundle whose model the settings' backend runs; by default a `model.py` runs.
    """
    config: Any = ModelConfig(name=spec.name, backend="python", max_batch_size=MAX_BATCH.get(spec.name, 0))
    if config.max_batch_size:
        config.dynamic_batching.SetInParent()
    _add_tensors(config.input, [tensor(name) for name in spec.reads])
    _add_tensors(config.output, [tensor(name) for name in spec.makes])
    config.version_policy.all.SetInParent()
    group = config.instance_group.add()
    group.kind, group.count = "KIND_CPU", settings.triton_instances if spec == WHOLE else 1
    for knob in KNOBS.get(spec.name, ()):
        config.parameters[knob.upper()].string_value = str(getattr(settings, knob)).lower()
    if native is not None:
        make_native(config, spec, native, settings.triton_backend)
    return _text(config)


def ensemble_config(name: str, version: int, steps: Sequence[StageSpec], bundle_id: str = "") -> str:
    """Returns the `config.pbtxt` of an ensemble that connects one version of its members.

    Args:
        name: name of the ensemble.
        version: version of all members.
        steps: the members, one of `ensembles()`.
        bundle_id: id of the version's bundle; the server returns it as a parameter of the live model.
    """
    users = min(MAX_BATCH.get(spec.name, 0) for spec in steps)
    config: Any = ModelConfig(name=name, platform="ensemble", max_batch_size=users)
    is_related = steps[0].name == RELATED.name
    _add_tensors(config.input, RELATED_REQUEST if is_related else REQUEST)
    _add_tensors(config.output, RELATED_RESPONSE if is_related else RESPONSE)
    for spec in steps:
        step = config.ensemble_scheduling.step.add()
        step.model_name, step.model_version = spec.name, version
        step.input_map.update({local_name(name): name for name in spec.reads})
        step.output_map.update({local_name(name): name for name in spec.makes})
    config.parameters[VERSION_PARAMETER].string_value = str(version)
    config.parameters[BUNDLE_PARAMETER].string_value = bundle_id
    return _text(config)


def shape_of_one(topology: str) -> list[int]:
    """Returns the shape of each input of a request for one user."""
    return [1, 1] if all(spec.name in MAX_BATCH for spec in TOPOLOGIES[topology]) else [1]


def parameters_of(text: str) -> dict[str, str]:
    """Returns the parameters of a `config.pbtxt`."""
    config: Any = text_format.Parse(text, ModelConfig())
    return {key: parameter.string_value for key, parameter in config.parameters.items()}


@cache  # called for every model each second
def processes_of(text: str) -> int:
    """Returns the number of processes of a Python model, from its `config.pbtxt`."""
    config: Any = text_format.Parse(text, ModelConfig())
    return sum(group.count for group in config.instance_group)


def inputs_of_config(text: str) -> set[str]:
    """Returns the names of the inputs that a `config.pbtxt` declares."""
    config: Any = text_format.Parse(text, ModelConfig())
    return {one.name for one in config.input}


def _add_tensors(field: Any, tensors: Iterable[Tensor]) -> None:
    for one in tensors:
        entry = field.add()
        entry.name, entry.data_type = local_name(one.name), _TYPES[one.dtype]
        entry.dims.extend((_rows(one), *one.dims))
        # Optional, because Triton answers a missing required input with "unexpected deadlock". The stages check inputs.
        if one in (*REQUEST, *RELATED_REQUEST):
            entry.optional = True


def _rows(one: Tensor) -> int:
    """Returns the row dimension: 1 for user-level tensors, -1 (any number) for candidate-level tensors."""
    if one in RELATED_REQUEST:
        return -1 if one.name == "item_ids" else 1
    return 1 if one in (*REQUEST, BUNDLE_ID, ANSWER_ID, REASON) or one.name.partition("/")[0] in _ONE_ROW else -1


def _text(config: Any) -> str:
    return _HEADER + text_format.MessageToString(config)
