"""Merges the candidates of a request: items retrieved from the index, and items of the user's history."""

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import PADDING_ID
from rec_assets.inference.lookups import FIRST_KNOWN

Ids = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]


class HistoryMerger:
    """Adds the items of users' histories to the retrieved candidates. Serving and evaluation share this definition."""

    def __init__(self, vectors: npt.NDArray[np.float32]) -> None:
        """Stores item vectors by encoded id, float32 [v, d]; items with a zero vector do not become candidates."""
        self._vectors = vectors
        self._has_vector = vectors.any(axis=1)
        self._has_vector[:FIRST_KNOWN] = False  # the codes for padding, null and unknown are not items

    def __call__(
        self, retrieved: Ids, scores: Scores, history_ids: Ids, queries: npt.NDArray[np.float32]
    ) -> tuple[Ids, Scores]:
        """Returns as many candidates as were retrieved; see `with_history`.

        Args:
            retrieved: encoded ids, best first, padded with `PADDING_ID` [q, k].
            scores: scores of `retrieved` [q, k].
            history_ids: encoded ids of histories, newest first, padded with `PADDING_ID` [q, l].
            queries: query vectors [q, d].
        """
        longest = (history_ids != PADDING_ID).any(axis=0).sum()  # most histories are much shorter than l
        # Items added after the vectors were computed have no row.
        history_ids = np.where(history_ids < len(self._vectors), history_ids, np.int32(PADDING_ID))[:, :longest]
        history_ids = np.where(self._has_vector[history_ids], history_ids, np.int32(PADDING_ID))
        history_scores = np.einsum("qld,qd->ql", self._vectors[history_ids], queries)
        return with_history(retrieved, scores, history_ids, history_scores, retrieved.shape[1])


def with_history(
    retrieved: Ids, retrieved_scores: Scores, history_ids: Ids, history_scores: Scores, depth: int
) -> tuple[Ids, Scores]:
    """Adds the items of users' histories to the retrieved candidates.

    Every item of a history becomes a candidate, because the search looks for new items and can miss repeats. The
    best retrieved items fill the remaining positions.

    Example with depth 3: retrieved items 5, 6, 7 have scores 3, 2, 1. The history 9, 5, 9 has scores -8, 3, -8.
    Items 5 and 9 of the history are candidates. One position remains, and item 6 fills it as the best other item.
    Sorted by score, the result is 5, 6, 9 with scores 3, 2, -8.

    Args:
        retrieved: encoded ids, best first, padded with `PADDING_ID` [q, k].
        retrieved_scores: scores of `retrieved` [q, k].
        history_ids: encoded ids of histories, including repeats and `PADDING_ID` [q, l].
        history_scores: scores of `history_ids` [q, l].
        depth: number of candidates to return; a longer history keeps its best scores.

    Returns:
        Ids int32 and scores float32 [q, depth], best score first, padded with `PADDING_ID` and 0.
    """
    ids = np.concatenate([history_ids, retrieved], axis=1)
    scores = np.concatenate([history_scores, retrieved_scores], axis=1).astype(np.float32)
    by_id = np.argsort(ids, axis=1, kind="stable")
    ordered = np.take_along_axis(ids, by_id, axis=1)
    is_duplicate = np.zeros(ids.shape, np.bool_)
    # The sort is stable: of equal ids, the one from the history comes first and is kept.
    np.put_along_axis(is_duplicate, by_id[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    mask = (ids != PADDING_ID) & ~is_duplicate
    from_history = np.arange(ids.shape[1]) < history_ids.shape[1]
    # Items of the history first, then retrieved items, then masked positions; best score first within each group.
    rank = np.lexsort((-scores, np.broadcast_to(~from_history, ids.shape), ~mask), axis=1)[:, :depth]
    kept = np.take_along_axis(mask, rank, axis=1)
    ids = np.where(kept, np.take_along_axis(ids, rank, axis=1), np.int32(PADDING_ID))
    scores = np.where(kept, np.take_along_axis(scores, rank, axis=1), np.float32(-np.inf))
    best = np.argsort(-scores, axis=1, kind="stable")
    ids, scores = (np.take_along_axis(a, best, axis=1) for a in (ids, scores))
    return ids, np.where(ids == PADDING_ID, np.float32(0), scores)
