"""What the ranker reads of each candidate: the one definition for training, validation and evaluation."""

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import Histories
from rec_assets.features.signals import HISTORY_SIGNALS, POPULARITY_SIGNALS, history_signals
from rec_assets.models.candidates import Candidates
from rec_assets.models.rows import (
    CONTENT_FEATURES,
    CONTEXT_FEATURES,
    ITEM_FEATURES,
    TIMESTAMP,
    USER_FEATURES,
    Arrays,
    ItemTable,
    take,
)

RETRIEVAL_SCORE, RETRIEVAL_RANK = "retrieval_score", "retrieval_rank"
SIGNALS = (RETRIEVAL_SCORE, RETRIEVAL_RANK, *HISTORY_SIGNALS, *POPULARITY_SIGNALS)
# No ids: whom the ranker never met it would not know, and few lists would be learned by heart.
RANKED_ITEM_FEATURES = tuple(name for name in ITEM_FEATURES if name != "item_id")
RANKER_FEATURES = (*USER_FEATURES, *CONTEXT_FEATURES, *RANKED_ITEM_FEATURES, *CONTENT_FEATURES, *SIGNALS)


def signals_at(
    candidates: Candidates,
    places: npt.NDArray[np.int64],
    histories: Histories,
    timestamps: npt.NDArray[np.int64],
    items: ItemTable,
) -> Arrays:
    """`item_id` int32 and `SIGNALS` float32, [q, length] each, of candidates at some places.

    Args:
        candidates: of the requests [q, k].
        places: int64 [q, length] in 0 … k-1.
        histories: of the requests [q].
        timestamps: theirs, unix seconds [q].
        items: the item table.
    """
    ids = np.take_along_axis(candidates.item_ids, places, axis=1)
    owners = np.repeat(np.arange(len(ids)), ids.shape[1])
    flat = history_signals(histories, timestamps, ids.ravel(), owners, items.categories)
    flat |= items.popularity_at(ids.ravel(), timestamps[owners])
    return {
        "item_id": ids,
        RETRIEVAL_SCORE: np.take_along_axis(candidates.scores, places, axis=1),
        RETRIEVAL_RANK: np.log1p(places).astype(np.float32),
        **{name: values.reshape(ids.shape) for name, values in flat.items()},
    }


def ranking_columns(columns: Arrays, candidates: Candidates, histories: Histories, items: ItemTable) -> Arrays:
    """`RANKER_FEATURES` of all candidates of requests [q], one after the other, [q * k] or [q * k, 64] each."""
    shape = candidates.item_ids.shape
    places = np.broadcast_to(np.arange(shape[1]), shape)
    signals = signals_at(candidates, places, histories, columns[TIMESTAMP], items)
    repeated = {name: np.repeat(columns[name], shape[1]) for name in (*USER_FEATURES, *CONTEXT_FEATURES)}
    features = items.at(signals.pop("item_id").ravel())
    return repeated | features | {name: values.ravel() for name, values in signals.items()}


def in_batches(columns: Arrays, candidates: Candidates, size: int) -> list[tuple[Arrays, Candidates]]:
    """Cuts requests and their candidates into parts of at most `size` requests."""
    windows = [slice(start, start + size) for start in range(0, len(candidates.item_ids), size)]
    return [(take(columns, w), Candidates(candidates.item_ids[w], candidates.scores[w])) for w in windows]
