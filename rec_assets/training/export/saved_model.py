"""Writes a traced model as a SavedModel without variables. Weights are constants, and equal models have equal bytes."""

from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorflow.core.framework.graph_pb2 import GraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

SCHEMA_VERSION = 1  # of the SavedModel format, which has only this version


def write_saved_model(traced: Any, output: str, folder: Path) -> None:
    """Writes a new `folder` with the signature that Triton calls, `serving_default`.

    The signature has one output, and only the inputs that the model reads, by name.

    Args:
        traced: a concrete function of named columns with one output.
        output: name of the output.
        folder: the folder to create, `model.savedmodel`.
    """
    frozen = convert_variables_to_constants_v2(traced)
    graph, names = _canonical(frozen.graph.as_graph_def(), frozen.outputs[0].name)
    model = SavedModel(saved_model_schema_version=SCHEMA_VERSION)
    meta = model.meta_graphs.add()
    meta.meta_info_def.tags.append(tf.saved_model.SERVING)
    meta.meta_info_def.tensorflow_version = tf.__version__
    meta.graph_def.CopyFrom(graph)
    signature = meta.signature_def[tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY]
    signature.method_name = "tensorflow/serving/predict"
    for tensor in frozen.inputs:
        if tensor.op.name in names:
            _describe(signature.inputs[tensor.op.name], tensor, tensor.name)
    node, _, position = frozen.outputs[0].name.partition(":")
    _describe(signature.outputs[output], frozen.outputs[0], f"{names[node]}:{position}")
    folder.mkdir()
    (folder / "saved_model.pb").write_bytes(model.SerializeToString(deterministic=True))


def _describe(info: Any, tensor: Any, name: str) -> None:
    info.name, info.dtype = name, tensor.dtype.as_datatype_enum
    info.tensor_shape.CopyFrom(tensor.shape.as_proto())


def _canonical(graph: GraphDef, output: str) -> tuple[GraphDef, dict[str, str]]:
    """Returns the nodes that an output needs, depth first, and their new names; inputs keep their names.

    TensorFlow's names depend on earlier work of the process.
    """
    nodes = {node.name: node for node in graph.node}
    names: dict[str, str] = {}
    kept = GraphDef(versions=graph.versions, library=graph.library)

    def visit(name: str) -> str:
        if name not in names:
            node = nodes[name]
            given = [_renamed(one, visit) for one in node.input]
            names[name] = name if node.op == "Placeholder" else f"n{len(names)}"
            copied = kept.node.add()
            copied.CopyFrom(node)
            copied.name, copied.input[:] = names[name], given
            for attribute in [one for one in copied.attr if one.startswith("_")]:
                del copied.attr[attribute]  # annotations of the tracer, including names
        return names[name]

    visit(output.partition(":")[0])
    return kept, names


def _renamed(reference: str, visit: Any) -> str:
    """Renames `node`, `node:1` or `^node`."""
    mark = "^" if reference.startswith("^") else ""
    node, colon, position = reference.removeprefix("^").partition(":")
    return f"{mark}{visit(node)}{colon}{position}"
