"""Stages that retrieve candidates: query vectors, the nearest items in the index, and the items of the history."""

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.features.columns import EMBEDDING_DIM
from rec_assets.features.history import PADDING_ID, UserHistories
from rec_assets.features.signals.past import Past
from rec_assets.inference.candidate_sources import CandidateSources, PopularItems
from rec_assets.inference.item_vectors import VECTORS, Vectors, read_vectors
from rec_assets.inference.lookups import FIRST_KNOWN, Lookups
from rec_assets.inference.onnx_model import OnnxModel
from rec_assets.serving.graph import row_splits
from rec_assets.serving.graph.filters import FILTERS, filter_texts
from rec_assets.serving.graph.tensors import (
    FaissRetrievalInputs,
    FaissRetrievalOutputs,
    QueryTowerInputs,
    QueryTowerOutputs,
)
from rec_assets.serving.stages.allowed import GetCatalog
from rec_assets.serving.stages.base import Array, inputs_of
from rec_assets.serving.stages.catalog import read_catalog
from rec_assets.serving.stages.filtered import Allowed, Restriction, exact_search, kept_by_filter
from rec_assets.serving.tables.item_features import RawItemFeatures
from rec_assets.serving.tables.memory_mapped import item_facts, item_neighbors, signal_tables
from rec_assets.settings import Settings

SMALL_CATALOG = 10_000  # items; FAISS takes longer to put the nearest of them in order than to find them


class QueryEncoding:
    """Computes the query vectors of users."""

    def __init__(self, model: OnnxModel) -> None:
        self._model = model

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings) -> "QueryEncoding":
        """Loads the exported tower; raises ActionableError if its inputs do not fit the graph."""
        return cls(OnnxModel(bundle.file("query_tower"), inputs_of("query_tower"), EMBEDDING_DIM))

    def __call__(self, inputs: QueryTowerInputs) -> QueryTowerOutputs:
        """Maps encoded user and context features [B] and histories [B, LENGTH] → query_embedding float32 [B, 64]."""
        return {"query_embedding": self._model(inputs)}


class Retrieval:
    """Retrieves candidates from all sources (`inference.candidate_sources`)."""

    def __init__(
        self,
        sources: CandidateSources,
        popular: PopularItems,
        topk: int,
        lookups: Lookups,
        filtered: Callable[[str], Allowed],
    ) -> None:
        """Stores the parts.

        Args:
            sources: the candidate sources.
            popular: the popular items.
            topk: number of candidates per request.
            lookups: the fitted workflow.
            filtered: returns sources and popular items for the text of a filter.
        """
        self._sources = sources
        self._popular = popular
        self._topk = topk
        self._lookups = lookups
        self._filtered = filtered

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings, catalog: GetCatalog | None = None) -> "Retrieval":
        """Reads index, vectors and tables; raises ActionableError if one does not fit the bundle.

        Args:
            bundle: the bundle.
            settings: number of candidates, and the address of the online store.
            catalog: returns the current features and brands of all items for filters; by default they are read.
        """
        return cls.of(bundle, settings, signal_tables(bundle), catalog or read_catalog(bundle, settings))

    @classmethod
    def of(
        cls,
        bundle: Bundle,
        settings: Settings,
        tables: Mapping[str, Array],
        catalog: GetCatalog | None = None,
    ) -> "Retrieval":
        """Reads index and vectors, and takes popularity and groups from tables as of `signal_tables`.

        Filters read the features of items from `catalog`, by default those of the bundle.
        """
        import faiss

        import rec_assets.inference.merge  # noqa: F401 - compiles now, so that no request waits for it
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
        lookups = bundle.lookups
        vectors = read_vectors(file.with_name(VECTORS), lookups.size("item_id"), again)
        indexed = vectors.any(axis=1)
        indexed[:FIRST_KNOWN] = False  # the codes for padding, null and unknown are not items

        def search(queries: Vectors, depth: int) -> Array:
            # FAISS pads with -1 if an inverted list has too few items; -1 is in no vocabulary.
            items = lookups.encode("item_id", index.search(queries, min(depth, index.ntotal))[1])
            return np.where(items < FIRST_KNOWN, np.int32(PADDING_ID), items)

        is_small = index.ntotal <= SMALL_CATALOG and not isinstance(index, faiss.IndexIVF)
        sources = CandidateSources(
            exact_search(np.flatnonzero(indexed).astype(np.int32), vectors) if is_small else search,
            vectors,
            indexed,
            item_neighbors(bundle),
            item_facts(tables),
            bundle.manifest.config.repeats,
        )
        popular = PopularItems.of(tables["popularity_week"], indexed)
        bundled = cache(lambda: RawItemFeatures.of(bundle))
        restriction = Restriction(sources, tables["popularity_week"], index, lookups)
        filtered = kept_by_filter(restriction, catalog or bundled, lookups)
        return cls(sources, popular, min(settings.retrieval_topk, index.ntotal), lookups, filtered)

    def __call__(self, inputs: FaissRetrievalInputs) -> FaissRetrievalOutputs:
        """Retrieves candidates, best first.

        Maps query_embedding float32 [B, 64], history_item_id (encoded) int32 and history_timestamp int64 [B, LENGTH],
        timestamp int32 [B] → raw item_id int32 [N], retrieval_score float32 [N], row_splits int64 [B + 1]. The input
        filters, texts [B], is optional: then all candidates satisfy their request's filter. Raises RequestError.
        """
        queries = np.ascontiguousarray(inputs["query_embedding"])
        histories, now = UserHistories(inputs["history_item_id"], inputs["history_timestamp"]), inputs["timestamp"]
        filters = filter_texts(inputs.get(FILTERS), len(queries))
        if not any(filters):
            items, scores = self._sources(queries, Past(histories, now), self._popular, self._topk)
        else:
            items, scores = self._with_filters(queries, histories, now, filters)
        mask = items != PADDING_ID
        return {
            "item_id": self._lookups.decode("item_id", items[mask]),
            "retrieval_score": scores[mask],
            "row_splits": row_splits.from_counts(mask.sum(axis=1)),
        }

    def _with_filters(
        self, queries: Vectors, histories: UserHistories, now: Array, filters: Array
    ) -> tuple[Array, Array]:
        """Returns candidates and scores as `CandidateSources`, for each filter of the batch in turn."""
        items = np.full((len(queries), self._topk), PADDING_ID, np.int32)
        scores = np.zeros(items.shape, np.float32)
        for text in dict.fromkeys(filters.tolist()):
            rows = np.flatnonzero(filters == text)
            sources, popular = self._sources, self._popular
            if text:
                allowed = self._filtered(text)
                sources, popular = allowed.sources, allowed.popular
            items[rows], scores[rows] = sources(queries[rows], Past(histories.at(rows), now[rows]), popular, self._topk)
        return items, scores
