"""Stages that retrieve candidates: query vectors, the nearest items in the index, and the items of the history."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.features.columns import EMBEDDING_DIM
from rec_assets.features.history import PADDING_ID
from rec_assets.inference.item_vectors import VECTORS, Vectors, read_vectors
from rec_assets.inference.lookups import FIRST_KNOWN, Lookups
from rec_assets.inference.merge_candidates import HistoryMerger
from rec_assets.inference.onnx_model import OnnxModel
from rec_assets.serving.graph import row_splits
from rec_assets.serving.stages.base import Array, Arrays, inputs_of
from rec_assets.settings import Settings


class QueryEncoding:
    """Computes the query vectors of users."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "QueryEncoding":
        """Loads the exported tower; raises ActionableError if its inputs do not fit the graph."""
        return cls(OnnxModel(bundle.file("query_tower"), inputs_of("query_tower"), EMBEDDING_DIM))

    def __call__(self, inputs: Mapping[str, Array]) -> Arrays:
        """Maps encoded user and context features [B] and histories [B, LENGTH] → query_embedding float32 [B, 64]."""
        return {"query_embedding": self._model(inputs)}


class Retrieval:
    """Retrieves the items with the largest inner product with each query and, optionally, the items of the history."""

    def __init__(self, index: Any, topk: int, lookups: Lookups, vectors: Vectors | None = None) -> None:
        """Stores the index and the vectors.

        Args:
            index: FAISS index with raw item ids.
            topk: number of candidates per request.
            lookups: the fitted workflow.
            vectors: item vectors by encoded id, float32 [V, 64]; without them, items of the history become candidates
                only if the index finds them.
        """
        self._index = index
        self._topk = min(topk, index.ntotal)
        self._lookups = lookups
        self._add_history = None if vectors is None else HistoryMerger(vectors)

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "Retrieval":
        """Reads index and vectors; raises ActionableError if their width or number of items does not fit the bundle."""
        import faiss

        from rec_assets.inference.item_index import on_best_device

        # Starting threads costs more than a search over thousands of items, and processes would compete for cores.
        faiss.omp_set_num_threads(1)
        file, again = bundle.file("item_index"), "Materialize faiss_index and model_bundle again."
        try:
            # Maps an inverted file (the index of large catalogs) into memory, so processes of a host share its lists.
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
        """Retrieves candidates, best first.

        Maps query_embedding float32 [B, 64], history_item_id (encoded) int32 [B, LENGTH] → raw item_id int32 [N],
        retrieval_score float32 [N], row_splits int64 [B + 1].
        """
        queries = np.ascontiguousarray(inputs["query_embedding"])
        scores, raw = self._index.search(queries, self._topk)
        # FAISS pads with -1 if an inverted list has too few items; -1 is in no vocabulary.
        items = self._lookups.encode("item_id", raw)
        items = np.where(items < FIRST_KNOWN, np.int32(PADDING_ID), items)
        if self._add_history is not None:
            items, scores = self._add_history(items, scores, inputs["history_item_id"], queries)
        mask = items != PADDING_ID
        return {
            "item_id": self._lookups.decode("item_id", items[mask]),
            "retrieval_score": scores[mask],
            row_splits.ROW_SPLITS: row_splits.from_counts(mask.sum(axis=1)),
        }
