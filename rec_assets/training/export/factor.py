"""Splits an ONNX ranker into models of items, of requests and of candidates. Does not compute any table of items.

The item model holds all that depends only on the item, so its results are tables. The request model runs once for a
request. The candidate model holds the rest: products of item and request, signals, and the upper layers.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from rec_assets.inference.factored_ranker import (
    CANDIDATE_MODEL,
    COLUMNS,
    ITEM_MODEL,
    ITEM_SCALARS,
    ITEM_VECTOR_ROWS,
    ITEM_VECTORS,
    REQUEST_MODEL,
    REQUEST_VECTORS,
    SCORE,
)
from rec_assets.training.export.affine import Activation, Affine, Column, Dot, Lookup, Matrix, Role, Term, read_model

OPSET, IR_VERSION = 17, 8


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


class Crossing:
    """The values that cross from one model to another.

    Attributes:
        score: the ranker.
        affines: affine maps that the candidate model computes.
        item_vectors, request_vectors: vectors of the other two models that the candidate model multiplies.
        columns: float inputs of the candidate model.
        item_parts: scalars of the item in each affine map, and their weights.
    """

    def __init__(self, score: Affine) -> None:
        self.score = score
        reached = list(dict.fromkeys(_reach(score)))
        terms = list(dict.fromkeys(term for one in reached for term in one.weights))
        dots = [one for one in terms if isinstance(one, Dot) and one.role == Role.CANDIDATE]
        ends = list(dict.fromkeys(end for one in dots for end in (one.left, one.right)))
        self.affines = [one for one in reached if one.role == Role.CANDIDATE and _only_term(one) is None]
        self.item_vectors = [one for one in ends if one.role == Role.ITEM]
        self.request_vectors = [one for one in ends if one.role in (Role.REQUEST, Role.CONSTANT)]
        self.columns = [one for one in terms if isinstance(one, Column) and one.role == Role.CANDIDATE]
        self.item_parts: dict[Affine, tuple[Affine, Matrix]] = {}
        for one in self.affines:
            part = one.part(Role.ITEM)
            if part.weights:
                # The terms themselves, or their sum if it has fewer columns.
                terms_beside = Affine.of(*part.weights)
                is_narrow = terms_beside.width <= one.width
                weights = np.concatenate(list(part.weights.values())) if is_narrow else np.eye(one.width)
                self.item_parts[one] = (terms_beside if is_narrow else part, weights)

    def weights_of_item_scalars(self, affine: Affine) -> Matrix | None:
        """Returns the weights of all scalars of the item in an affine map; None if it has no such part."""
        if affine not in self.item_parts:
            return None
        return np.concatenate(
            [
                weights if one is affine else np.zeros((scalars.width, affine.width))
                for one, (scalars, weights) in self.item_parts.items()
            ]
        )


def item_model(crossing: Crossing) -> onnx.ModelProto:
    """Returns the model of items: `ITEM_VECTORS` [v, vectors * length] and `ITEM_SCALARS` [v, scalars]."""
    graph = _Graph()
    if crossing.item_vectors:
        graph.output(ITEM_VECTORS, graph.joined([graph.affine(one) for one in crossing.item_vectors]))
    if crossing.item_parts:
        scalars = [graph.affine(scalars) for scalars, _ in crossing.item_parts.values()]
        graph.output(ITEM_SCALARS, graph.joined(scalars))
    return graph.model()


def request_model(crossing: Crossing) -> onnx.ModelProto:
    """Returns the model of requests: `REQUEST_VECTORS` [r, length, vectors], and `row_i` [r, width] of affine map i."""
    graph = _Graph()
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
    graph = _CandidateGraph(crossing)
    graph.output(SCORE, graph.affine(crossing.score))
    return graph.model({COLUMNS: ",".join(one.name for one in crossing.columns)})


def _reach(affine: Affine) -> Iterable[Affine]:
    """Yields all affine maps behind one, and the map itself at last."""
    for term in affine.weights:
        match term:
            case Activation():
                yield from _reach(term.argument)
            case Dot():
                yield from _reach(term.left)
                yield from _reach(term.right)
    yield affine


def _only_term(affine: Affine) -> Term | None:
    """Returns the term that equals an affine map; None for any other map."""
    if len(affine.weights) != 1 or affine.bias.any():
        return None
    ((term, weights),) = affine.weights.items()
    return term if np.array_equal(weights, np.eye(term.width)) else None


class _Graph:
    """The nodes of a model whose rows all have one role. Its inputs follow from the terms."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: dict[str, onnx.ValueInfoProto] = {}
        self._outputs: list[onnx.ValueInfoProto] = []
        self._made: dict[object, str] = {}

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        name = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        name = f"w{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values).astype(dtype), name))
        return name

    def integers(self, values: list[int]) -> str:
        return self.constant(values, np.int64)

    def input(self, name: str, *shape: str | int, kind: int = TensorProto.FLOAT) -> str:
        self._inputs.setdefault(name, helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str) -> None:
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))

    def once(self, key: object, make: Callable[[], str]) -> str:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def joined(self, columns: list[str]) -> str:
        return columns[0] if len(columns) == 1 else self.node("Concat", *columns, axis=1)

    def dots(self, lefts: list[str], rights: list[str], pairs: int, length: int) -> str:
        """Returns the inner product of each pair of vectors, [n, pairs]; each side joins to [n, pairs * length]."""
        products = self.node("Mul", self.joined(lefts), self.joined(rights))
        return self.node("MatMul", products, self.constant(np.kron(np.eye(pairs), np.ones((length, 1)))))

    def affine(self, affine: Affine) -> str:
        """Returns the tensor of an affine map."""
        term = _only_term(affine)
        return self.term(term) if term else self.once(affine, lambda: self.sum(affine))

    def term(self, term: Term) -> str:
        """Returns the tensor of a term."""
        return self.once(term, lambda: self.compute(term))

    def sum(self, affine: Affine) -> str:
        total = self.bias(affine)
        for value, weights in self.blocks(affine):
            # The columns come as rows.
            total = self.node("Gemm", value, self.constant(weights), total, transA=int(value == COLUMNS))
        return total

    def bias(self, affine: Affine) -> str:
        return self.constant(affine.bias[None])

    def blocks(self, affine: Affine) -> Iterable[tuple[str, Matrix]]:
        """Yields tensors and their weights; with the bias, their products add up to the affine map."""
        dots = [term for term in affine.weights if isinstance(term, Dot)]
        others = [term for term in affine.weights if not isinstance(term, Dot)]
        columns = [self.term(one) for one in others]
        if dots:
            lefts, rights = ([self.affine(getattr(one, end)) for one in dots] for end in ("left", "right"))
            columns.append(self.dots(lefts, rights, len(dots), dots[0].left.width))
        yield self.joined(columns), np.concatenate([affine.weights[one] for one in (*others, *dots)])

    def compute(self, term: Term) -> str:
        match term:
            case Column():
                return self.input(term.name, "rows", term.width)
            case Lookup():
                codes = self.input(term.name, "rows", kind=TensorProto.INT32)
                return self.node("Gather", self.constant(term.table), codes)
            case Activation():
                return self.node(term.operator, self.affine(term.argument), **term.attributes)
            case Dot():
                return self.dots([self.affine(term.left)], [self.affine(term.right)], 1, term.left.width)
        raise TypeError(f"{type(term).__name__} is not a term")

    def model(self, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
        graph = helper.make_graph(self._nodes, "model", list(self._inputs.values()), self._outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        helper.set_model_props(model, dict(metadata or {}))
        return model


class _CandidateGraph(_Graph):
    """The nodes over the candidates of one request. Results of the other two models are inputs."""

    def __init__(self, crossing: Crossing) -> None:
        super().__init__()
        self._crossing = crossing
        self._items, self._requests = crossing.item_vectors, crossing.request_vectors

    def bias(self, affine: Affine) -> str:
        if not affine.part(Role.REQUEST).weights:
            return super().bias(affine)
        return self.input(f"row_{self._crossing.affines.index(affine)}", 1, affine.width)

    def blocks(self, affine: Affine) -> Iterable[tuple[str, Matrix]]:
        terms = affine.part(Role.CANDIDATE).weights
        if any(isinstance(term, Column) for term in terms):
            rows = [terms.get(one, np.zeros((one.width, affine.width))) for one in self._crossing.columns]
            yield self._columns(), np.concatenate(rows)
        blocks = [(self.term(term), weights) for term, weights in terms.items() if isinstance(term, Activation)]
        blocks += self._products({term: weights for term, weights in terms.items() if isinstance(term, Dot)})
        scalars = self._crossing.weights_of_item_scalars(affine)
        if scalars is not None:
            blocks.append((self.input(ITEM_SCALARS, "rows", len(scalars)), scalars))
        if blocks:
            yield self.joined([value for value, _ in blocks]), np.concatenate([weights for _, weights in blocks])

    def compute(self, term: Term) -> str:
        if not isinstance(term, Column):
            return super().compute(term)
        before = self._crossing.columns[: self._crossing.columns.index(term)]
        start = sum(one.width for one in before)
        rows = self.node("Gather", self._columns(), self.integers(list(range(start, start + term.width))))
        return self.node("Transpose", rows)

    def _columns(self) -> str:
        return self.input(COLUMNS, sum(one.width for one in self._crossing.columns), "rows")

    def _products(self, dots: Mapping[Dot, Matrix]) -> list[tuple[str, Matrix]]:
        """Returns tensors of inner products and their weights; products with a common vector are one tensor."""
        blocks: dict[str, Matrix] = {}
        for dot, weights in dots.items():
            value, column, width = self._product(dot)
            blocks.setdefault(value, np.zeros((width, weights.shape[1])))[column] += weights[0]
        return list(blocks.items())

    def _product(self, dot: Dot) -> tuple[str, int, int]:
        """Returns the tensor that has an inner product, the product's column, and the number of columns."""
        items, requests = len(self._items), len(self._requests)
        first, last = sorted((dot.left, dot.right), key=lambda end: end.role)
        if first.role == Role.CANDIDATE:
            return self.term(dot), 0, 1
        if last.role == Role.REQUEST:
            column = self._items.index(first) * requests + self._requests.index(last)
            return self.once("item by request", self._item_by_request), column, items * requests
        if first.role == Role.ITEM:
            value = self.once((last, ITEM_VECTORS), lambda: self._by_item(last))
            return value, self._items.index(first), items
        value = self.once((last, REQUEST_VECTORS), lambda: self._by_request(self.affine(last)))
        return value, self._requests.index(first), requests

    def _item_by_request(self) -> str:
        products = self._by_request(self.input(ITEM_VECTOR_ROWS, "vectors", self._items[0].width))
        return self.node("Reshape", products, self.integers([-1, len(self._items) * len(self._requests)]))

    def _by_request(self, rows: str) -> str:
        vectors = self.input(REQUEST_VECTORS, self._requests[0].width, len(self._requests))
        return self.node("MatMul", rows, vectors)

    def _by_item(self, vector: Affine) -> str:
        items = self.input(ITEM_VECTORS, "rows", len(self._items) * vector.width)
        return self.dots([self.affine(vector)] * len(self._items), [items], len(self._items), vector.width)
