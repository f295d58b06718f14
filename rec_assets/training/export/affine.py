"""Reads an ONNX model as affine maps of nonlinear terms. Does not write models.

Most nodes of a ranker are affine: products with weights, sums, scalings, concatenations. Together, the nodes between
nonlinear terms are one matrix and one bias. In this form, a sum can be split by the inputs that its terms depend on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntFlag
from functools import cached_property, reduce
from operator import or_
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
from onnx import numpy_helper

from rec_assets.common.errors import ActionableError

Matrix = npt.NDArray[np.float64]
ACTIVATIONS = frozenset(
    {"Relu", "Sigmoid", "Tanh", "Elu", "LeakyRelu", "Selu", "Softplus", "Softsign", "Erf", "Exp", "Abs"}
)


class Role(IntFlag):
    """The inputs that a value depends on. A signal depends on both: it belongs to one candidate of one request."""

    CONSTANT = 0
    ITEM = 1
    REQUEST = 2
    CANDIDATE = ITEM | REQUEST


@dataclass(frozen=True, eq=False)
class Affine:
    """bias + the sum of term @ weights over all terms; [n, width].

    Attributes:
        weights: matrix of each term [width of the term, width].
        bias: constant part [width].
    """

    weights: "Mapping[Term, Matrix]"
    bias: Matrix

    @property
    def width(self) -> int:
        """Returns the number of columns."""
        return len(self.bias)

    @cached_property
    def role(self) -> Role:
        """Returns the union of the roles of all terms."""
        return reduce(or_, (term.role for term in self.weights), Role.CONSTANT)

    @classmethod
    def of(cls, *terms: "Term") -> "Affine":
        """Returns the terms side by side."""
        width = sum(term.width for term in terms)
        starts = np.cumsum([0, *(term.width for term in terms)])
        eye = np.eye(width)
        parts = {term: eye[start : start + term.width] for term, start in zip(terms, starts, strict=False)}
        return cls(parts, np.zeros(width))

    def part(self, role: Role) -> "Affine":
        """Returns the sum over the terms of one role, without the bias."""
        weights = {term: matrix for term, matrix in self.weights.items() if term.role == role}
        return Affine(weights, np.zeros(self.width))

    def times(self, matrix: Matrix) -> "Affine":
        """Returns this value @ matrix, a matrix [width, m]."""
        return Affine({term: weights @ matrix for term, weights in self.weights.items()}, self.bias @ matrix)

    def plus(self, other: "Affine") -> "Affine":
        """Returns the sum; a single column is added to every column."""
        width = max(self.width, other.width)
        first, second = (one if one.width == width else one.times(np.ones((1, width))) for one in (self, other))
        weights = dict(first.weights)
        for term, added in second.weights.items():
            weights[term] = weights[term] + added if term in weights else added
        return Affine(weights, first.bias + second.bias)

    def beside(self, other: "Affine") -> "Affine":
        """Returns the columns of both."""
        eye = np.eye(self.width + other.width)
        return self.times(eye[: self.width]).plus(other.times(eye[self.width :]))


@dataclass(frozen=True, eq=False)
class Term:
    """A value that is not affine in other values; [n, width]."""

    width: int
    role: Role


@dataclass(frozen=True, eq=False)
class Column(Term):
    """A float input of the model."""

    name: str


@dataclass(frozen=True, eq=False)
class Lookup(Term):
    """Rows of a table [codes, width] at an integer input of the model."""

    name: str
    table: npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Activation(Term):
    """An elementwise function: an operator of ONNX, with its attributes."""

    operator: str
    attributes: Mapping[str, Any]
    argument: Affine


@dataclass(frozen=True, eq=False)
class Dot(Term):
    """The inner product of two vectors; [n, 1]."""

    left: Affine
    right: Affine


@dataclass(frozen=True)
class _Codes:
    """An integer input."""

    name: str


@dataclass(frozen=True)
class _Stack:
    """Vectors of one length [n, vectors, length], also transposed; `products` marks all their inner products."""

    vectors: tuple[Affine, ...]
    transposed: bool = False
    products: bool = False


def read_model(model: onnx.ModelProto, roles: Mapping[str, Role]) -> Affine:
    """Returns the only output of a model.

    Args:
        model: inputs are columns [n, 1] or vectors [n, d]; integer inputs are codes of lookups.
        roles: role of each input.

    Raises:
        ActionableError: the model has a node that is neither affine nor a known term.
    """
    (output,) = model.graph.output
    result = _Reader(model, roles).value(output.name)
    if not isinstance(result, Affine):
        raise _unknown("output", output.name)
    return result


class _Reader:
    def __init__(self, model: onnx.ModelProto, roles: Mapping[str, Role]) -> None:
        self._model = model
        self._producers = {name: node for node in model.graph.node for name in node.output}
        self._values: dict[str, Any] = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
        self._roles = roles
        for one in model.graph.input:
            kind = one.type.tensor_type
            if kind.elem_type == onnx.TensorProto.FLOAT:
                column = Column(kind.shape.dim[1].dim_value, roles[one.name], one.name)
                self._values[one.name] = Affine.of(column)
            else:
                self._values[one.name] = _Codes(one.name)

    def value(self, name: str) -> Any:
        """Returns a constant, `Affine`, `_Codes` or `_Stack`."""
        if name not in self._values:
            node = self._producers[name]
            self._values[name] = self._apply(node, name)
        return self._values[name]

    def _apply(self, node: onnx.NodeProto, name: str) -> Any:
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        if node.op_type == "Gather" and attributes.get("axis", 0) == 1:
            return self._dots(self.value(node.input[0]), self._constant(node.input[1]).tolist())
        given = [self.value(one) for one in node.input]
        if all(isinstance(one, np.ndarray) for one in given):
            return self._constant(name)
        match node.op_type, given:
            case "Identity", [value]:
                return value
            case (("Squeeze" | "Reshape" | "Cast"), [_Codes() as codes, *_]):
                return codes
            case "Gather", [np.ndarray() as table, _Codes(column)]:
                return Affine.of(Lookup(table.shape[1], self._roles[column], column, table))
            case (("Add" | "Sum"), _) if all(map(_is_column, given)):
                return reduce(Affine.plus, map(_affine, given))
            case "Sub", [first, second] if _is_column(first) and _is_column(second):
                return _affine(first).plus(_affine(second).times(-np.eye(_affine(second).width)))
            case "Neg", [Affine() as value]:
                return value.times(-np.eye(value.width))
            case "Mul", [Affine() as value, np.ndarray() as factor] | [np.ndarray() as factor, Affine() as value]:
                return _scaled(value, factor)
            case "Div", [Affine() as value, np.ndarray() as divisor]:
                return _scaled(value, 1 / divisor.astype(np.float64))
            case "MatMul", [Affine() as value, np.ndarray() as matrix] if matrix.ndim == 2:
                return value.times(matrix.astype(np.float64))
            case "Concat", [Affine(), *_] if all(isinstance(one, Affine) for one in given):
                return reduce(Affine.beside, given)
            case "Unsqueeze", [Affine() as value, np.ndarray() as axes] if axes.tolist() == [1]:
                return _Stack((value,))
            case "Concat", [_Stack(), *_] if attributes["axis"] == 1:
                return _Stack(tuple(vector for stack in given for vector in stack.vectors))
            case "Transpose", [_Stack(vectors)] if attributes["perm"] == [0, 2, 1]:
                return _Stack(vectors, transposed=True)
            case "MatMul", [_Stack(vectors), _Stack(again, transposed=True)] if vectors == again:
                return _Stack(vectors, products=True)
            case "Reshape", [_Stack(products=True) as products, np.ndarray()]:
                return products
            case operator, [Affine() as value] if operator in ACTIVATIONS:
                return Affine.of(Activation(value.width, value.role, operator, attributes, value))
        raise _unknown(node.op_type, name)

    def _dots(self, stack: Any, indices: Sequence[int]) -> Affine:
        if not (isinstance(stack, _Stack) and stack.products):
            raise _unknown("Gather", "of columns")
        pairs = [divmod(index, len(stack.vectors)) for index in indices]
        ends = [(stack.vectors[one], stack.vectors[other]) for one, other in pairs]
        return Affine.of(*(Dot(1, left.role | right.role, left, right) for left, right in ends))

    def _constant(self, name: str) -> npt.NDArray[Any]:
        """Returns the value of a tensor that does not depend on the inputs, computed for one row of zeros."""
        if isinstance(self._values.get(name), np.ndarray):
            return self._values[name]
        probe = onnx.ModelProto()
        probe.CopyFrom(self._model)
        del probe.graph.output[:]
        probe.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
        session = ort.InferenceSession(probe.SerializeToString(), providers=["CPUExecutionProvider"])
        dtypes = {"tensor(float)": np.float32, "tensor(int32)": np.int32, "tensor(int64)": np.int64}
        row = {one.name: np.zeros((1, one.shape[1]), dtypes[one.type]) for one in session.get_inputs()}
        return np.asarray(session.run([name], row)[0])


def _is_column(value: Any) -> bool:
    return isinstance(value, Affine | np.ndarray)


def _affine(value: Any) -> Affine:
    return value if isinstance(value, Affine) else Affine({}, value.astype(np.float64).reshape(-1))


def _scaled(value: Affine, factor: npt.NDArray[Any]) -> Affine:
    width = max(value.width, factor.size)
    spread = np.eye(value.width) if value.width == width else np.ones((1, width))
    return value.times(spread * factor.astype(np.float64).reshape(1, -1))


def _unknown(operator: str, name: str) -> ActionableError:
    return ActionableError(
        f"The ranker cannot be factored (the node {operator} of {name} is neither affine nor a known term).",
        "Add this operator to rec_assets/training/export/affine.py.",
    )
