"""Candidates that retrieval returns for a set of requests."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from rec_assets.datasets.item_table import ItemTable
from rec_assets.inference.merge_candidates import PADDING_ID, with_history

if TYPE_CHECKING:
    import faiss


@dataclass(frozen=True)
class Candidates:
    """Encoded item_ids int32 [n, k], best first, padded with `PADDING_ID`, and their scores float32 [n, k]."""

    item_ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]

    def first(self, depth: int) -> "Candidates":
        """Returns the first `depth` candidates of each request."""
        return Candidates(self.item_ids[:, :depth], self.scores[:, :depth])


def retrieve(index: "faiss.Index", items: ItemTable, queries: npt.NDArray[np.float32], k: int) -> Candidates:
    """Searches the index for `k` candidates per request, or for the whole catalog if it is smaller."""
    scores, raw_ids = index.search(queries, min(k, index.ntotal))
    return Candidates(items.encode(raw_ids), scores)


def add_histories(
    retrieved: Candidates,
    queries: npt.NDArray[np.float32],
    history_ids: npt.NDArray[np.int32],
    vectors: npt.NDArray[np.float32],
) -> Candidates:
    """Adds the items of users' histories to the candidates, as serving does; the number of candidates stays.

    Args:
        retrieved: candidates from the index [q, k].
        queries: query vectors, float32 [q, d].
        history_ids: encoded ids of the histories [q, l].
        vectors: item vectors by encoded id, zero for items that the index lacks [v, d].
    """
    # Items added after the vectors were computed have no row.
    history_ids = np.where(history_ids < len(vectors), history_ids, PADDING_ID)
    history_ids = np.where(vectors.any(axis=1)[history_ids], history_ids, PADDING_ID)
    scores = np.einsum("qld,qd->ql", vectors[history_ids], queries)
    depth = retrieved.item_ids.shape[1]
    return Candidates(*with_history(retrieved.item_ids, retrieved.scores, history_ids, scores, depth))
