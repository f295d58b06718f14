"""What retrieval returns for a set of requests, and the candidate lists that the ranker learns from."""

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from rec_assets.features.history import EventLog
from rec_assets.features.signals import DAY_SECONDS
from rec_assets.models.holdout import trains_ranker
from rec_assets.models.rows import ASKED_BY, TIMESTAMP, Arrays, ItemTable
from rec_assets.serving.candidates import NOTHING, with_history


@dataclass(frozen=True)
class Candidates:
    """item_ids int32 [n, k], encoded, best first, `NOTHING` where there are fewer, and their scores float32 [n, k]."""

    item_ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]

    def first(self, depth: int) -> "Candidates":
        """The first `depth` of each request."""
        return Candidates(self.item_ids[:, :depth], self.scores[:, :depth])


def retrieve(index: faiss.Index, items: ItemTable, queries: npt.NDArray[np.float32], k: int) -> Candidates:
    """Searches the index; k is cut to the size of the catalogue."""
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
    own = np.where(vectors.any(axis=1)[history], history, NOTHING)
    scores = np.einsum("qld,qd->ql", vectors[own], queries)
    return Candidates(*with_history(found.item_ids, found.scores, own, scores, found.item_ids.shape[1]))


def ranker_arrivals(rows: Arrays, most: int, seed: int) -> npt.NDArray[np.int64]:
    """Picks the rows that the ranker's lists are made for: the first of each day of the users that belong to it.

    Args:
        rows: the training rows, with who asked and when [n].
        most: how many to pick at most.
        seed: of the draw.

    Returns:
        Row numbers, ascending.
    """
    own = np.flatnonzero(trains_ranker(rows[ASKED_BY]))
    own = own[np.argsort(rows[TIMESTAMP][own], kind="stable")]
    visits = rows[ASKED_BY][own].astype(np.int64) << 32 | rows[TIMESTAMP][own] // DAY_SECONDS
    arrivals = own[np.unique(visits, return_index=True)[1]]
    return np.sort(np.random.default_rng(seed).permutation(arrivals)[:most])


def chosen_later(requests: Arrays, candidates: Candidates, log: EventLog, horizon_days: int) -> npt.NDArray[np.bool_]:
    """Tells which candidates [n, k] their users chose from the request on, for so many days or until the log ends."""
    users, start = requests[ASKED_BY].astype(np.int64) << 32, requests[TIMESTAMP]
    begin = np.searchsorted(log.keys, users | start)
    end = np.searchsorted(log.keys, users | (start + horizon_days * DAY_SECONDS))
    chosen = np.zeros(candidates.item_ids.shape, np.bool_)
    for row, (first, last) in enumerate(zip(begin, end, strict=True)):
        chosen[row] = np.isin(candidates.item_ids[row], log.item_ids[first:last])
    return chosen & (candidates.item_ids != NOTHING)


def draw_lists(
    candidates: Candidates, chosen: npt.NDArray[np.bool_], positives: int, negatives: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Draws lists of positives and negatives out of what retrieval returned, without replacement.

    Args:
        candidates: of the requests [n, k].
        chosen: which of them are positive [n, k].
        positives: how many to draw at most for each.
        negatives: as many as can be drawn follow them.
        seed: of the draws.

    Returns:
        The requests that have a positive [m] (no other can teach an order), the places drawn int64 [m, length], and
        which of the first `positives` are really positive, bool [m, positives].
    """
    rows = np.flatnonzero(chosen.any(axis=1))
    noise = np.random.default_rng(seed).random((len(rows), chosen.shape[1]))
    theirs, there = chosen[rows], candidates.item_ids[rows] != NOTHING
    first = np.argsort(np.where(theirs, noise, 2), axis=1)[:, :positives]
    others = np.argsort(np.where(there & ~theirs, noise, 2), axis=1)[:, :negatives]
    return rows, np.concatenate([first, others], axis=1), np.take_along_axis(theirs, first, axis=1)
