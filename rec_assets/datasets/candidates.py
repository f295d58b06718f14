"""Candidates of a set of requests."""

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
        """The first `depth` of each request."""
        return Candidates(self.item_ids[:, :depth], self.scores[:, :depth])


def retrieve(index: "faiss.Index", items: ItemTable, queries: npt.NDArray[np.float32], k: int) -> Candidates:
    """Searches the index; k is cut to the size of the catalog."""
    scores, raw_ids = index.search(queries, min(k, index.ntotal))
    return Candidates(items.encode(raw_ids), scores)


def add_histories(
    found: Candidates,
    queries: npt.NDArray[np.float32],
    history: npt.NDArray[np.int32],
    vectors: npt.NDArray[np.float32],
) -> Candidates:
    """Makes what users chose before candidates too, as serving does; the depth stays.

    Args:
        found: by the index [q, k].
        queries: float32 [q, d].
        history: encoded ids [q, l].
        vectors: of all items by encoded id, zero where the index has none [v, d].
    """
    # Items that came after the vectors were made have none.
    own = np.where(history < len(vectors), history, PADDING_ID)
    own = np.where(vectors.any(axis=1)[own], own, PADDING_ID)
    scores = np.einsum("qld,qd->ql", vectors[own], queries)
    return Candidates(*with_history(found.item_ids, found.scores, own, scores, found.item_ids.shape[1]))
