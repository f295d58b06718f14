"""What retrieval returns for a set of users, and the candidate lists that the ranker learns from and is judged by."""

from dataclasses import dataclass

import faiss
import numpy as np
import numpy.typing as npt

from rec_assets.models.rows import Arrays, ItemTable


@dataclass(frozen=True)
class Candidates:
    """item_ids int32 [n, k], encoded, best first, and their retrieval scores float32 [n, k]."""

    item_ids: npt.NDArray[np.int32]
    scores: npt.NDArray[np.float32]


def retrieve(index: faiss.Index, items: ItemTable, queries: npt.NDArray[np.float32], k: int) -> Candidates:
    """Searches the index; k is cut to the size of the catalogue."""
    scores, raw_ids = index.search(queries, min(k, index.ntotal))
    return Candidates(items.encode(raw_ids), scores)


def training_lists(
    candidates: Candidates, positives: npt.NDArray[np.int32], negatives: int, seed: int
) -> tuple[npt.NDArray[np.int64], Arrays]:
    """Lists of one positive and sampled negatives, all out of what retrieval returned for that event.

    Args:
        candidates: one row an event.
        positives: encoded item chosen in each event, int32 [n].
        negatives: how many to draw for each, uniformly among the other candidates.
        seed: of the draws.

    Returns:
        The events whose positive was retrieved (a ranker never sees another), and their lists with the positive first:
        `item_id` int32 and `retrieval_score` float32, both [events, 1 + negatives].
    """
    hit = candidates.item_ids == positives[:, None]
    events = np.flatnonzero(hit.any(axis=1))
    depth = candidates.item_ids.shape[1]
    place = hit[events].argmax(axis=1)
    # Offsets 1 … depth-1 from the positive's place, so that it is never its own negative.
    drawn = np.random.default_rng(seed).integers(1, depth, (len(events), negatives))
    places = np.concatenate([place[:, None], (place[:, None] + drawn) % depth], axis=1)
    return events, {
        "item_id": np.take_along_axis(candidates.item_ids[events], places, axis=1),
        "retrieval_score": np.take_along_axis(candidates.scores[events], places, axis=1),
    }
