"""Runs a factored ranker: tables of all items, one row for each request, and a small model for the candidates.

Its three ONNX models together equal the exported ranker. `rec_assets.training.export.factor` writes them.
"""

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as untyped_npy

from rec_assets.common.errors import ActionableError
from rec_assets.inference.onnx_model import open_session

ITEM_MODEL, REQUEST_MODEL, CANDIDATE_MODEL = "item.onnx", "request.onnx", "candidate.onnx"
# Results of the item model. The candidate model also reads the vectors one per row.
ITEM_VECTORS, ITEM_SCALARS, ITEM_VECTOR_ROWS = "item_vectors", "item_scalars", "item_vector_rows"
# The other inputs of the candidate model: results of the request model, and the scalars of each candidate.
REQUEST_VECTORS, COLUMNS = "request_vectors", "columns"
SCORE = "score"
_SCORES = [SCORE]
ITEM_CODES = "item_codes"
ITEMS_AT_A_TIME = 50_000

npy: Any = untyped_npy
Array = npt.NDArray[Any]
Table = npt.NDArray[np.float32]
_AGAIN = "Materialize model_bundle or finetuned_bundle again."


class ItemModel:
    """The part of a ranker that depends only on the item."""

    def __init__(self, file: Path) -> None:
        """Loads the model; raises ActionableError if the file is not a model."""
        self._session = open_session(file)
        inputs = self._session.get_inputs()
        self.inputs = [one.name for one in inputs]
        self.outputs = [one.name for one in self._session.get_outputs()]
        self._codes = [one.name for one in inputs if one.type == "tensor(int32)"]

    def __call__(self, features: Mapping[str, Array]) -> dict[str, Table]:
        """Returns float32 [n, d] for codes int32 [n] and vectors float32 [n, d]."""
        feed = {name: features[name] for name in self.inputs}
        return dict(zip(self.outputs, self._session.run(self.outputs, feed), strict=True))

    def codes(self, features: Mapping[str, Array]) -> npt.NDArray[np.int32]:
        """Returns the codes that the model reads, int32 [codes, n]."""
        return np.array([features[name] for name in self._codes])


def write_item_tables(folder: Path, features: Mapping[str, Array]) -> None:
    """Writes the results of a folder's item model for all items, and the codes that it read, as `.npy` files.

    Args:
        folder: has `ITEM_MODEL`; the files are written beside it.
        features: codes int32 [v] and vectors float32 [v, d] by encoded item id.
    """
    model = ItemModel(folder / ITEM_MODEL)
    np.save(folder / f"{ITEM_CODES}.npy", model.codes(features))
    tables: dict[str, Table] = {}
    size = len(features[model.inputs[0]])
    for start in range(0, size, ITEMS_AT_A_TIME):
        part = slice(start, start + ITEMS_AT_A_TIME)
        for name, values in model({one: features[one][part] for one in model.inputs}).items():
            if name not in tables:
                file, shape = folder / f"{name}.npy", (size, values.shape[1])
                tables[name] = npy.open_memmap(file, "w+", np.float32, shape)
            tables[name][part] = values


class FactoredRanker:
    """Scores the candidates of one request after the other, so that all intermediate results stay in the cache."""

    def __init__(self, folder: Path, size: int, content: Mapping[str, Array]) -> None:
        """Loads the models, and maps the tables into memory.

        Args:
            folder: has the three models and the files of `write_item_tables`.
            size: number of encoded item ids.
            content: vectors by encoded item id, float32 [size, d], by the name of the feature.

        Raises:
            ActionableError: a file is missing or unreadable, or a table does not have one row per encoded item id.
        """
        self._item = ItemModel(folder / ITEM_MODEL)
        self._request, self._candidate = open_session(folder / REQUEST_MODEL), open_session(folder / CANDIDATE_MODEL)
        self._content = content
        self._codes = _table(folder / f"{ITEM_CODES}.npy", size, axis=1)
        self._tables = {name: _table(folder / f"{name}.npy", size) for name in self._item.outputs}
        self._request_inputs = [(one.name, (-1, 1)[: len(one.shape)]) for one in self._request.get_inputs()]
        self._request_outputs = [one.name for one in self._request.get_outputs()]
        inputs = {one.name: one.shape for one in self._candidate.get_inputs()}
        self._length = inputs[ITEM_VECTOR_ROWS][1] if ITEM_VECTOR_ROWS in inputs else None
        self._columns = self._candidate.get_modelmeta().custom_metadata_map[COLUMNS].split(",")

    def __call__(self, features: Mapping[str, Any], splits: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        """Returns the score of each candidate, float32 [N].

        Args:
            features: encoded `item_id` int32, the item's codes, the request's features and the candidate's scalars,
                [N] each. Candidates of one request have the same features of the request.
            splits: begin and end of the candidates of each request [B + 1].
        """
        items = features["item_id"].astype(np.intp)
        scores = np.empty(len(items), np.float32)
        parts = [slice(begin, end) for begin, end in pairwise(splits.tolist()) if begin < end]
        if not parts:
            return scores
        requests = self._requests(features, np.array([part.start for part in parts]))
        columns = [features[name] for name in self._columns]
        # The tables are of the bundle. The online store may have other codes of an item since then.
        differs = self._codes.take(items, axis=1) != self._item.codes(features)
        stale = differs.any(axis=0) if differs.any() else None
        for row, part in enumerate(parts):
            feed = {name: vectors[row] for name, vectors in requests.items()}
            feed[COLUMNS] = np.array([column[part] for column in columns])
            feed |= {name: table.take(items[part], axis=0) for name, table in self._tables.items()}
            if stale is not None:
                self._replace(feed, features, part, np.flatnonzero(stale[part]))
            if self._length:
                feed[ITEM_VECTOR_ROWS] = feed[ITEM_VECTORS].reshape(-1, self._length)
            scores[part] = self._candidate.run(_SCORES, feed)[0][:, 0]
        return scores

    def _requests(self, features: Mapping[str, Array], rows: npt.NDArray[np.int64]) -> dict[str, Table]:
        """Returns the inputs of the candidate model for each request, from the rows with each first candidate."""
        feed = {name: features[name].take(rows).reshape(shape) for name, shape in self._request_inputs}
        results = self._request.run(self._request_outputs, feed)
        return {
            name: values if values.ndim == 3 else values[:, None]
            for name, values in zip(self._request_outputs, results, strict=True)
        }

    def _replace(self, feed: dict[str, Table], features: Mapping[str, Array], part: slice, rows: Array) -> None:
        """Computes some rows of the items of one request from their features, in place of the rows of the tables."""
        items = features["item_id"][part][rows]
        given = {name: table[items] for name, table in self._content.items()}
        given |= {name: features[name][part][rows] for name in self._item.inputs if name not in given}
        for name, values in self._item(given).items():
            feed[name][rows] = values


def _table(file: Path, size: int, axis: int = 0) -> Array:
    try:
        # Indexing a memmap creates another memmap, which is slow.
        table = np.asarray(np.load(file, mmap_mode="r"))
    except (OSError, ValueError, EOFError) as error:
        raise ActionableError(f"{file} cannot be read as a table of items ({error}).", _AGAIN) from error
    if table.shape[axis] != size:
        raise ActionableError(f"{file} has {table.shape[axis]} items; the workflow has {size}.", _AGAIN)
    return table
