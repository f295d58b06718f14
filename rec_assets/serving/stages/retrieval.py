"""From a user to candidates: the query tower, the items nearest to it, and those the user chose before."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.features.columns import EMBEDDING_DIM
from rec_assets.inference.item_vectors import VECTORS, Vectors, read_vectors
from rec_assets.inference.lookups import FIRST_KNOWN, Lookups
from rec_assets.inference.merge_candidates import PADDING_ID, with_history
from rec_assets.inference.onnx_model import OnnxModel
from rec_assets.serving.graph import row_splits
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
        """Encoded user and context features [B] and histories [B, LENGTH] → query_embedding float32 [B, 64]."""
        return {"query_embedding": self._model(inputs)}


class Retrieval:
    """The items of the largest inner product with each query and, with vectors, those of the user's history."""

    def __init__(self, index: Any, topk: int, lookups: Lookups, vectors: Vectors | None = None) -> None:
        """Takes an index whose ids are raw, candidates wanted, the workflow, and item vectors by encoded id [V, 64].

        Without vectors what a user chose before is no candidate of its own.
        """
        self._index = index
        self._topk = min(topk, index.ntotal)
        self._lookups = lookups
        self._vectors = vectors
        if vectors is not None:
            self._has_vector = vectors.any(axis=1)
            self._has_vector[:FIRST_KNOWN] = False  # padding, null and unknown are no items

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "Retrieval":
        """Reads index and vectors; raises ActionableError where they are not of the tower's space and known items."""
        import faiss

        from rec_assets.inference.item_index import on_best_device

        # Threads cost more than a search over thousands of items, and several processes would fight for the cores.
        faiss.omp_set_num_threads(1)
        file, again = bundle.file("item_index"), "Materialize faiss_index and model_bundle again."
        try:
            # Mapped, where it is an inverted file, which large catalogs have: processes of a host share its lists.
            index = on_best_device(faiss.read_index(str(file), faiss.IO_FLAG_MMAP))
        except RuntimeError as error:
            raise ActionableError(f"{file} cannot be read as a FAISS index: {error}", again) from error
        known = len(bundle.lookups.vocabularies["item_id"])
        if index.d != EMBEDDING_DIM or not 0 < index.ntotal <= known:
            shape = f"{index.ntotal} vectors of {index.d}"
            raise ActionableError(f"{file} holds {shape}; expected 1 to {known} of {EMBEDDING_DIM}.", again)
        vectors = read_vectors(file.with_name(VECTORS), bundle.lookups.size("item_id"), again)
        return cls(index, settings.retrieval_topk, bundle.lookups, vectors if settings.repeats else None)

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Finds candidates, best first.

        query_embedding float32 [B, 64], history_item_id int32 [B, LENGTH], encoded → raw item_id int32 [N],
        retrieval_score float32 [N], row_splits int64 [B + 1].
        """
        queries = np.ascontiguousarray(inputs["query_embedding"])
        scores, raw = self._index.search(queries, self._topk)
        # FAISS fills up with -1 where an inverted list holds fewer; no vocabulary knows it.
        items = self._lookups.encode("item_id", raw)
        items = np.where(items < FIRST_KNOWN, np.int32(PADDING_ID), items)
        if self._vectors is not None:
            items, scores = self._with_history(items, scores, inputs["history_item_id"], queries, self._vectors)
        found = items != PADDING_ID
        return {
            "item_id": self._lookups.decode("item_id", items[found]),
            "retrieval_score": scores[found],
            row_splits.ROW_SPLITS: row_splits.from_counts(found.sum(axis=1)),
        }

    def _with_history(
        self, items: Array, scores: Array, history: Array, queries: Vectors, vectors: Vectors
    ) -> tuple[Array, Array]:
        longest = (history != PADDING_ID).any(axis=0).sum()  # most histories are far from full
        own = np.where(history < len(vectors), history, np.int32(PADDING_ID))[:, :longest]
        own = np.where(self._has_vector[own], own, np.int32(PADDING_ID))
        own_scores = (vectors[own] @ queries[:, :, None])[..., 0]
        return with_history(items, scores, own, own_scores, self._topk)
