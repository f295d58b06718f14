"""Candidates of a request: what the index finds, and what the user chose before."""

import numpy as np
import numpy.typing as npt

PADDING_ID = 0  # the padding id

Ids = npt.NDArray[np.int32]
Scores = npt.NDArray[np.float32]


def with_history(found: Ids, found_scores: Scores, own: Ids, own_scores: Scores, depth: int) -> tuple[Ids, Scores]:
    """Adds the items of users' histories to what was found for them.

    Repeats must not depend on a search that looks for what is new: all items of a history are candidates, and the best
    of what was found fill up the rest.

    Args:
        found: encoded ids, best first, `PADDING_ID` where there are fewer [q, k].
        found_scores: theirs [q, k].
        own: encoded ids of histories, repeats and `PADDING_ID` included [q, l].
        own_scores: theirs [q, l].
        depth: candidates wanted; a longer history is cut to its best scores.

    Returns:
        Ids int32 and scores float32 [q, depth], best score first; `PADDING_ID` and 0 where there are fewer.
    """
    ids = np.concatenate([own, found], axis=1)
    scores = np.concatenate([own_scores, found_scores], axis=1).astype(np.float32)
    by_id = np.argsort(ids, axis=1, kind="stable")
    ordered = np.take_along_axis(ids, by_id, axis=1)
    again = np.zeros(ids.shape, np.bool_)
    # Stable: the first of equals is of the history.
    np.put_along_axis(again, by_id[:, 1:], ordered[:, 1:] == ordered[:, :-1], axis=1)
    there = (ids != PADDING_ID) & ~again
    of_history = np.arange(ids.shape[1]) < own.shape[1]
    # UserHistories first, then what was found; within each the best first.
    rank = np.lexsort((-scores, np.broadcast_to(~of_history, ids.shape), ~there), axis=1)[:, :depth]
    kept = np.take_along_axis(there, rank, axis=1)
    ids = np.where(kept, np.take_along_axis(ids, rank, axis=1), np.int32(PADDING_ID))
    scores = np.where(kept, np.take_along_axis(scores, rank, axis=1), np.float32(-np.inf))
    best = np.argsort(-scores, axis=1, kind="stable")
    ids, scores = (np.take_along_axis(a, best, axis=1) for a in (ids, scores))
    return ids, np.where(ids == PADDING_ID, np.float32(0), scores)
