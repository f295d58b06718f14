"""Builds ONNX graphs of affine maps and their terms. Does not decide which model computes which term."""

from collections.abc import Callable, Iterable, Mapping

import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from rec_assets.inference.factored_ranker import (
    COLUMNS,
    ITEM_SCALARS,
    ITEM_VECTOR_ROWS,
    ITEM_VECTORS,
    REQUEST_VECTORS,
)
from rec_assets.training.export.affine import Activation, Affine, Column, Dot, Lookup, Matrix, Role, Term
from rec_assets.training.export.crossing import Crossing, only_term

OPSET, IR_VERSION = 17, 8


class Graph:
    """The nodes of a model whose rows all have one role. Its inputs follow from the terms."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._inputs: dict[str, onnx.ValueInfoProto] = {}
        self._outputs: list[onnx.ValueInfoProto] = []
        self._made: dict[object, str] = {}

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        """Adds a node; returns the name of its result."""
        name = f"t{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, inputs, [name], **attributes))
        return name

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float32) -> str:
        """Adds a constant; returns its name."""
        name = f"w{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(values).astype(dtype), name))
        return name

    def integers(self, values: list[int]) -> str:
        """Adds a constant of integers, such as a shape; returns its name."""
        return self.constant(values, np.int64)

    def input(self, name: str, *shape: str | int, kind: int = TensorProto.FLOAT) -> str:
        """Declares an input at its first use; returns its name."""
        self._inputs.setdefault(name, helper.make_tensor_value_info(name, kind, shape))
        return name

    def output(self, name: str, value: str) -> None:
        """Declares a tensor as an output with this name."""
        self._nodes.append(helper.make_node("Identity", [value], [name]))
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))

    def once(self, key: object, make: Callable[[], str]) -> str:
        """Returns the tensor that `make` added for this key; adds it at the first call only."""
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]

    def joined(self, columns: list[str]) -> str:
        """Returns tensors side by side, [n, sum of widths]."""
        return columns[0] if len(columns) == 1 else self.node("Concat", *columns, axis=1)

    def dots(self, lefts: list[str], rights: list[str], pairs: int, length: int) -> str:
        """Returns the inner product of each pair of vectors, [n, pairs]; each side joins to [n, pairs * length]."""
        products = self.node("Mul", self.joined(lefts), self.joined(rights))
        return self.node("MatMul", products, self.constant(np.kron(np.eye(pairs), np.ones((length, 1)))))

    def affine(self, affine: Affine) -> str:
        """Returns the tensor of an affine map."""
        term = only_term(affine)
        return self.term(term) if term else self.once(affine, lambda: self.sum(affine))

    def term(self, term: Term) -> str:
        """Returns the tensor of a term."""
        return self.once(term, lambda: self.compute(term))

    def sum(self, affine: Affine) -> str:
        """Adds the products and the bias of an affine map."""
        total = self.bias(affine)
        for value, weights in self.blocks(affine):
            # The columns come as rows.
            total = self.node("Gemm", value, self.constant(weights), total, transA=int(value == COLUMNS))
        return total

    def bias(self, affine: Affine) -> str:
        """Returns the bias of an affine map, [1, width]."""
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
        """Adds the nodes of a term; raises TypeError for an unknown term."""
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
        """Returns the model, with metadata for its reader."""
        graph = helper.make_graph(self._nodes, "model", list(self._inputs.values()), self._outputs, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        helper.set_model_props(model, dict(metadata or {}))
        return model


class CandidateGraph(Graph):
    """The nodes over the candidates of one request. Results of the other two models are inputs."""

    def __init__(self, crossing: Crossing) -> None:
        super().__init__()
        self._crossing = crossing
        self._items, self._requests = crossing.item_vectors, crossing.request_vectors

    def bias(self, affine: Affine) -> str:
        """Returns the bias, or the row of the request model, which includes it."""
        if not affine.part(Role.REQUEST).weights:
            return super().bias(affine)
        return self.input(f"row_{self._crossing.affines.index(affine)}", 1, affine.width)

    def blocks(self, affine: Affine) -> Iterable[tuple[str, Matrix]]:
        """Yields the blocks of candidates, items and products; parts of the request are in the bias."""
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
        """Adds the nodes of a term; a column is a row of the transposed input."""
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
