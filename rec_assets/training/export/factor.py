"""Splits an ONNX ranker into models of items, of requests and of candidates. Does not compute any table of items.

The item model holds all that depends only on the item, so its results are tables. The request model runs once for a
request. The candidate model holds the rest: products of item and request, signals, and the upper layers.
"""

from collections.abc import Mapping
from pathlib import Path

import onnx

from rec_assets.inference.factored_ranker import (
    CANDIDATE_MODEL,
    COLUMNS,
    ITEM_MODEL,
    ITEM_SCALARS,
    ITEM_VECTORS,
    REQUEST_MODEL,
    REQUEST_VECTORS,
    SCORE,
)
from rec_assets.training.export.affine import Affine, Role, read_model
from rec_assets.training.export.crossing import Crossing
from rec_assets.training.export.graphs import CandidateGraph, Graph


def factor(file: Path, roles: Mapping[str, Role], folder: Path) -> None:
    """Writes the three models.

    Args:
        file: the ONNX ranker; its only output is [n, 1].
        roles: role of each input. Values of inputs with the role ITEM are expected to stay while a bundle is live.
        folder: an existing folder.

    Raises:
        ActionableError: as `read_model`.
    """
    crossing = Crossing(read_model(onnx.load(str(file)), roles))
    for name, model in (
        (ITEM_MODEL, item_model(crossing)),
        (REQUEST_MODEL, request_model(crossing)),
        (CANDIDATE_MODEL, candidate_model(crossing)),
    ):
        onnx.save(model, str(folder / name))


def item_model(crossing: Crossing) -> onnx.ModelProto:
    """Returns the model of items: `ITEM_VECTORS` [v, vectors * length] and `ITEM_SCALARS` [v, scalars]."""
    graph = Graph()
    if crossing.item_vectors:
        graph.output(ITEM_VECTORS, graph.joined([graph.affine(one) for one in crossing.item_vectors]))
    if crossing.item_parts:
        scalars = [graph.affine(scalars) for scalars, _ in crossing.item_parts.values()]
        graph.output(ITEM_SCALARS, graph.joined(scalars))
    return graph.model()


def request_model(crossing: Crossing) -> onnx.ModelProto:
    """Returns the model of requests: `REQUEST_VECTORS` [r, length, vectors], and `row_i` [r, width] of affine map i."""
    graph = Graph()
    vectors = crossing.request_vectors
    if vectors:
        joined = graph.joined([graph.affine(one) for one in vectors])
        stacked = graph.node("Reshape", joined, graph.integers([-1, len(vectors), vectors[0].width]))
        graph.output(REQUEST_VECTORS, graph.node("Transpose", stacked, perm=[0, 2, 1]))
    for number, one in enumerate(crossing.affines):
        part = one.part(Role.REQUEST)
        if part.weights:
            graph.output(f"row_{number}", graph.affine(Affine(part.weights, one.bias)))
    return graph.model()


def candidate_model(crossing: Crossing) -> onnx.ModelProto:
    """Returns the model of the candidates of one request: their scores [n, 1]."""
    graph = CandidateGraph(crossing)
    graph.output(SCORE, graph.affine(crossing.score))
    return graph.model({COLUMNS: ",".join(one.name for one in crossing.columns)})
