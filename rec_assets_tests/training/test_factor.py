"""A factored ranker scores as the exported ranker, whatever its layers, inputs and requests are."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from rec_assets.common.errors import ActionableError
from rec_assets.datasets.rows import Arrays
from rec_assets.inference.factored_ranker import ITEM_SCALARS, FactoredRanker, write_item_tables
from rec_assets.inference.onnx_model import OnnxModel
from rec_assets.training.export.affine import Role
from rec_assets.training.export.factor import factor
from rec_assets.training.export.onnx import export_model

ITEMS, CODES, CONTENT_DIM = 40, 6, 5
ROLES = {
    **dict.fromkeys(("item_id", "style", "content"), Role.ITEM),
    **dict.fromkeys(("gender", "device", "age"), Role.REQUEST),
    **dict.fromkeys(("price", "match", "rank"), Role.CANDIDATE),
}
CATALOG: Arrays = {
    "item_id": np.arange(ITEMS, dtype=np.int32),
    "style": np.arange(ITEMS, dtype=np.int32) % CODES,
    "content": np.random.default_rng(1).normal(size=(ITEMS, CONTENT_DIM)).astype(np.float32),
}


class Dlrm(tf.Module):
    """A ranker with Merlin's operations: lookups, projections, a bottom block, all inner products, a top block."""

    def __init__(self, *, dim: int = 4, hidden: int = 16, activation: str = "relu", skip: bool = True) -> None:
        super().__init__()
        self.seed, self.dim, self.hidden, self.skip = 0, dim, hidden, skip
        self.activation = getattr(tf.nn, activation)

    def weight(self, *shape: int) -> Any:
        self.seed += 1
        return tf.constant(np.random.default_rng(self.seed).normal(0, 0.4, shape).astype(np.float32))

    def dense(self, x: Any, units: int, *, last: bool = False) -> Any:
        made = x @ self.weight(x.shape[1], units) + self.weight(units)
        return made if last else self.activation(made)

    def __call__(self, columns: dict[str, Any]) -> Any:
        self.seed = 0
        score = (columns["match"] - 0.3) / 2.5
        numbers = tf.concat([columns["age"], columns["price"], score, columns["rank"]], axis=1)
        bottom = self.dense(self.dense(numbers, self.hidden), self.dim)
        lookups = [
            tf.gather(self.weight(CODES, self.dim), tf.squeeze(columns[name], -1))
            for name in ("gender", "style", "device")
        ]
        vectors = [bottom, *lookups, self.dense(columns["content"], self.dim, last=True)]
        stacked = tf.stack(vectors, axis=1)
        products = tf.reshape(tf.matmul(stacked, stacked, transpose_b=True), [-1, len(vectors) ** 2])
        pairs = [i * len(vectors) + j for i in range(len(vectors)) for j in range(i)]
        top = self.dense(tf.concat([bottom, tf.gather(products, pairs, axis=1)], axis=1), self.hidden)
        logit = self.dense(top, 1, last=True) + score
        if self.skip:
            logit += tf.concat([columns["age"], columns["rank"], columns["content"]], axis=1) @ self.weight(7, 1)
        return tf.sigmoid(1.7 * logit - 0.2)


def drawn(sizes: list[int], seed: int) -> tuple[Arrays, np.ndarray[Any, np.dtype[np.int64]]]:
    """Returns random candidates of requests with these numbers of candidates, and their row splits."""
    rng = np.random.default_rng(seed)
    owners = np.repeat(np.arange(len(sizes)), sizes)
    items = rng.integers(0, ITEMS, len(owners)).astype(np.int32)
    rows: Arrays = {name: table[items] for name, table in CATALOG.items()}
    rows |= {name: rng.integers(0, CODES, len(sizes)).astype(np.int32)[owners] for name in ("gender", "device")}
    rows["age"] = rng.normal(size=len(sizes)).astype(np.float32)[owners]
    rows |= {name: rng.normal(size=len(owners)).astype(np.float32) for name in ("price", "match", "rank")}
    return rows, np.concatenate([[0], np.cumsum(sizes)])


def opened(model: Any, folder: Path) -> tuple[OnnxModel, FactoredRanker]:
    """Exports and factors a model, and loads both versions."""
    export_model(model, drawn([3], 0)[0], "score", folder / "model.onnx")
    factor(folder / "model.onnx", ROLES, folder)
    write_item_tables(folder, CATALOG)
    exported = OnnxModel(folder / "model.onnx", tuple(ROLES), 1)
    return exported, FactoredRanker(folder, ITEMS, {"content": CATALOG["content"]})


@pytest.mark.parametrize("options", [{}, {"skip": False}, {"hidden": 3}, {"activation": "tanh"}], ids=str)
def test_the_three_models_together_are_the_exported_model(options: dict[str, Any], tmp_path: Path) -> None:
    exported, factored = opened(Dlrm(**options), tmp_path)

    @settings(max_examples=20, deadline=None)
    @given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.integers(0, 10_000))
    def equal(sizes: list[int], seed: int) -> None:
        rows, splits = drawn(sizes, seed)
        np.testing.assert_allclose(factored(rows, splits), exported(rows)[:, 0], atol=1e-6)

    equal()


def test_an_item_whose_codes_changed_since_the_tables_were_made_is_computed_from_its_codes(tmp_path: Path) -> None:
    exported, factored = opened(Dlrm(), tmp_path)
    rows, splits = drawn([5, 0, 7], 0)
    before = factored(rows, splits)
    rows["style"][[1, 6, 11]] = (rows["style"][[1, 6, 11]] + 1) % CODES
    np.testing.assert_allclose(factored(rows, splits), exported(rows)[:, 0], atol=1e-6)
    assert np.flatnonzero(factored(rows, splits) != before).tolist() == [1, 6, 11]


def test_the_item_and_the_request_are_not_computed_for_each_candidate(tmp_path: Path) -> None:
    opened(Dlrm(), tmp_path)
    graph = onnx.load(str(tmp_path / "candidate.onnx")).graph
    assert {"Gather", "Unsqueeze", "NonZero"}.isdisjoint(node.op_type for node in graph.node)
    shapes = {one.name: [axis.dim_value for axis in one.type.tensor_type.shape.dim] for one in graph.input}
    # Two vectors of the item and two of the request, with 4 numbers each. The item's scalars are the product of its
    # vectors, and its content in the sum of the skip. The second layer reads only the first: it has no row.
    assert shapes == {
        "columns": [3, 0],
        "item_vectors": [0, 8],
        "item_vector_rows": [0, 4],
        ITEM_SCALARS: [0, 2],
        "request_vectors": [4, 2],
        "row_0": [1, 16],
        "row_2": [1, 16],
        "row_3": [1, 1],
    }


def test_equal_models_give_equal_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("once", "again")]
    for folder in folders:
        folder.mkdir()
        opened(Dlrm(), folder)
    for file in folders[0].iterdir():
        assert file.read_bytes() == (folders[1] / file.name).read_bytes(), file.name


def test_an_operation_that_cannot_be_split_is_named(tmp_path: Path) -> None:
    def model(columns: dict[str, Any]) -> Any:
        return tf.cumsum(columns["price"] + columns["rank"], axis=0)

    with pytest.raises(ActionableError, match=r"The ranker cannot be factored \(the node CumSum"):
        opened(model, tmp_path)


def test_tables_of_other_items_are_refused(tmp_path: Path) -> None:
    opened(Dlrm(), tmp_path)
    with pytest.raises(ActionableError, match=r"item_codes\.npy has 40 items; the workflow has 41"):
        FactoredRanker(tmp_path, ITEMS + 1, {"content": CATALOG["content"]})
    (tmp_path / "item_codes.npy").unlink()
    with pytest.raises(ActionableError, match=r"item_codes\.npy cannot be read as a table of items"):
        FactoredRanker(tmp_path, ITEMS, {"content": CATALOG["content"]})
