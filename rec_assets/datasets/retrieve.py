"""Retrieval as in serving, for any number of requests: exported query tower, index, and the other sources."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rec_assets.common.concurrency.threads import in_threads, windows
from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.ranking_features import ranking_columns
from rec_assets.datasets.request_features import histories_of
from rec_assets.datasets.rows import Arrays, take
from rec_assets.features.columns import (
    EMBEDDING_DIM,
    HISTORY_HOURS,
    HISTORY_IDS,
    QUERY_FEATURES,
    REQUEST_USER_ID,
    TIMESTAMP,
)
from rec_assets.features.history import InteractionLog
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import Past
from rec_assets.inference.candidate_sources import CandidateSources, PopularItems
from rec_assets.inference.item_index import INDEX, read_index
from rec_assets.inference.item_vectors import VECTORS
from rec_assets.inference.onnx_model import OnnxModel

if TYPE_CHECKING:
    import faiss

BATCH = 512


def search(index: "faiss.Index", items: ItemTable, queries: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.int32]:
    """Searches the index for `k` encoded ids per request [q, k], or for the whole catalog if it is smaller."""
    return items.encode(index.search(queries, min(k, index.ntotal))[1])


@dataclass(frozen=True)
class Retrieval:
    """The files of retrieval, with the items and histories of an evaluation or a training.

    Attributes:
        tower: file of the exported query tower.
        index: folder of the index, the item vectors and the neighbors.
        items: the item table.
        log: interaction log that holds the histories.
        repeats: whether the user's own items are candidates.
    """

    tower: Path
    index: Path
    items: ItemTable
    log: InteractionLog
    repeats: bool

    @cached_property
    def neighbors(self) -> Neighbors:
        """Reads the neighbors of the items."""
        return Neighbors.load(self.index)

    def __call__(self, columns: Arrays, k: int) -> Candidates:
        """Retrieves candidates for requests [n] as serving does.

        Popular items are those of the day of each request.

        Args:
            columns: encoded user and context columns, raw user ids and timestamps [n].
            k: candidates per request.
        """
        model, index = OnnxModel(self.tower, QUERY_FEATURES, EMBEDDING_DIM), read_index(self.index / INDEX)
        vectors = np.load(self.index / VECTORS)
        indexed = vectors.any(axis=1)
        sources = CandidateSources(
            lambda queries, depth: search(index, self.items, queries, depth),
            vectors,
            indexed,
            self.neighbors,
            self.items.facts,
            self.repeats,
        )
        popularity = self.items.signals.values["popularity_week"]
        popular = [PopularItems.of(table, indexed) for table in popularity]
        count = len(columns[REQUEST_USER_ID])
        found = Candidates(np.zeros((count, k), np.int32), np.zeros((count, k), np.float32))

        def retrieve(window: slice) -> None:
            batch = take(columns, window)
            histories, now = histories_of(batch, self.log), batch[TIMESTAMP]
            queries = model({**batch, HISTORY_IDS: histories.item_ids, HISTORY_HOURS: histories.hours(now)})
            days = self.items.signals.row(now)
            for day in np.unique(days):
                rows = np.flatnonzero(days == day)
                past = Past(histories.at(rows), now[rows])
                ids, scores = sources(queries[rows], past, popular[day], k)
                found.item_ids[window.start + rows], found.scores[window.start + rows] = ids, scores

        in_threads(retrieve, windows(count, BATCH))
        return found

    def ranking_columns(self, columns: Arrays, candidates: Candidates) -> Arrays:
        """Returns the ranker's inputs for candidates of requests [q], as `ranking_features.ranking_columns`."""
        histories = histories_of(columns, self.log)
        return ranking_columns(columns, candidates, histories, self.items, self.neighbors)
