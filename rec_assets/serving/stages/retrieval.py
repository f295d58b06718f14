"""From a user to candidates: the query tower, and the search for the items nearest to it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rec_assets.errors import ActionableError
from rec_assets.serving import rows
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.graph import EMBEDDING_DIM
from rec_assets.serving.onnx_model import OnnxModel
from rec_assets.serving.stages.base import Array, Arrays, inputs_of
from rec_assets.settings import Settings


class QueryTower:
    """Places users among the items."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "QueryTower":
        """Loads the exported tower; raises ActionableError where it does not fit the graph."""
        return cls(OnnxModel(bundle.file("query_tower"), inputs_of("query_tower"), EMBEDDING_DIM))

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Encoded user features [B] → query_embedding float32 [B, 64]."""
        return {"query_embedding": self._model(inputs)}


class Retrieval:
    """The items of the largest inner product with each query, best first."""

    def __init__(self, index: Any, topk: int) -> None:
        self._index = index
        self._topk = min(topk, index.ntotal)

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "Retrieval":
        """Reads the index; raises ActionableError where it is not one over the tower's space and the known items."""
        import faiss

        # Threads cost more than a search over thousands of items, and several processes would fight for the cores.
        faiss.omp_set_num_threads(1)
        file, again = bundle.file("item_index"), "Materialize faiss_index and model_bundle again."
        try:
            index = faiss.read_index(str(file))
        except RuntimeError as error:
            raise ActionableError(f"{file} cannot be read as a FAISS index: {error}", again) from error
        known = len(bundle.lookups.vocabularies["item_id"])
        if index.d != EMBEDDING_DIM or not 0 < index.ntotal <= known:
            shape = f"{index.ntotal} vectors of {index.d}"
            raise ActionableError(f"{file} holds {shape}; expected 1 to {known} of {EMBEDDING_DIM}.", again)
        return cls(index, settings.retrieval_topk)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """query_embedding float32 [B, 64] → raw item_id int32 [N], retrieval_score float32 [N], row_splits [B + 1]."""
        scores, ids = self._index.search(np.ascontiguousarray(inputs["query_embedding"]), self._topk)
        found = ids >= 0  # FAISS fills up with -1 where an inverted list holds fewer
        return {
            "item_id": ids[found].astype(np.int32),
            "retrieval_score": scores[found],
            rows.ROW_SPLITS: rows.from_counts(found.sum(axis=1)),
        }
