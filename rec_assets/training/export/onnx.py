"""Exports a Keras model with named inputs to ONNX, for serving without TensorFlow, and to a SavedModel."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import tensorflow as tf
import tf2onnx

from rec_assets.datasets.rows import Arrays, as_columns
from rec_assets.training.export.saved_model import write_saved_model

OPSET = 17


def export_model(
    model: Callable[[Mapping[str, Any]], Any], example: Arrays, output: str, file: Path, *, saved_model: bool = False
) -> npt.NDArray[np.float32]:
    """Writes `file`, and returns the Keras model's output for `example`, for comparison.

    Args:
        model: maps columns ([n, 1] or [n, d]) to one tensor [n, …].
        example: some rows ([n] or [n, d]) with exactly the inputs of the model.
        output: name of the output.
        file: the ONNX file to write.
        saved_model: whether to write a SavedModel beside the ONNX file.
    """
    columns = as_columns(example)
    names = sorted(columns)
    signature = [tf.TensorSpec([None, columns[n].shape[1]], columns[n].dtype, name=n) for n in names]

    @tf.function(input_signature=signature, autograph=False)
    def forward(*values: Any) -> dict[str, Any]:
        return {output: model(dict(zip(names, values, strict=True)))}

    exported, _ = tf2onnx.convert.from_function(forward, input_signature=signature, opset=OPSET)
    onnx.save(_canonical(exported), str(file))
    if saved_model:
        write_saved_model(forward.get_concrete_function(), output, file.with_suffix(".savedmodel"))
    # On a CPU, as in serving: a GPU multiplies matrices in TF32, with three digits less.
    with tf.device("CPU"):
        return forward(*(tf.constant(columns[n]) for n in names))[output].numpy()


def _canonical(model: onnx.ModelProto) -> onnx.ModelProto:
    """Returns the same model with nodes and tensors numbered depth first from the outputs.

    TensorFlow's names and the converter's order depend on earlier work of the process. After this, equal models have
    equal bytes.
    """
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    initializers = {tensor.name: tensor for tensor in graph.initializer}
    names = {tensor.name: tensor.name for tensor in (*graph.input, *graph.output)}
    nodes: list[onnx.NodeProto] = []
    used: list[onnx.TensorProto] = []
    done: set[str] = set()

    def visit(name: str) -> None:
        if not name or name in done:
            return
        done.add(name)
        if name in initializers:
            used.append(initializers[name])
        elif name in producers:
            node = producers[name]
            done.update(node.output)
            for given in node.input:
                visit(given)
            nodes.append(node)
        names.setdefault(name, f"t{len(names)}")

    for output in graph.output:
        visit(output.name)
    for number, node in enumerate(nodes):
        node.name = f"n{number}"
        node.input[:] = [names[name] if name else "" for name in node.input]
        node.output[:] = [names.setdefault(name, f"t{len(names)}") for name in node.output]
    for constant in used:
        constant.name = names[constant.name]
    for tensor in (*graph.input, *graph.output):
        for axis in tensor.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = "rows"
    canonical = onnx.helper.make_graph(nodes, "model", graph.input, graph.output, used)
    return onnx.helper.make_model(canonical, opset_imports=model.opset_import, ir_version=model.ir_version)
