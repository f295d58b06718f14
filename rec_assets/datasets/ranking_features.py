"""Inputs of the ranker for each candidate. Training, validation and evaluation share this definition."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rec_assets.common.concurrency.threads import in_threads, windows
from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.rows import Arrays, take
from rec_assets.features.columns import (
    CONTEXT_FEATURES,
    RETRIEVAL_RANK,
    RETRIEVAL_SCORE,
    SIGNALS,
    TIMESTAMP,
    USER_FEATURES,
)
from rec_assets.features.history import UserHistories
from rec_assets.features.signals.history_signals import history_signals, retrieval_rank
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import Past

REQUESTS_AT_A_TIME = 1_024


def signals_of(
    candidates: Candidates,
    histories: UserHistories,
    timestamps: npt.NDArray[np.int64],
    items: ItemTable,
    neighbors: Neighbors,
) -> Arrays:
    """Computes `item_id` int32 and `SIGNALS` float32 of the candidates, [q, k] each.

    Args:
        candidates: candidates of the requests [q, k].
        histories: histories of the requests [q].
        timestamps: times of the requests, unix seconds [q].
        items: the item table.
        neighbors: neighbors of the items.
    """
    ids = candidates.item_ids
    owners = np.repeat(np.arange(len(ids)), ids.shape[1])
    of_items = items.signals.at(ids.ravel(), timestamps[owners])
    past, repurchase_days = Past(histories, timestamps), of_items["repurchase_days"]
    flat = of_items | history_signals(past, ids.ravel(), owners, items.facts, neighbors, repurchase_days)
    return {
        "item_id": ids,
        RETRIEVAL_SCORE: candidates.scores,
        RETRIEVAL_RANK: retrieval_rank(owners, flat["times_chosen"]).reshape(ids.shape),
        **{name: values.reshape(ids.shape) for name, values in flat.items()},
    }


def all_signals(
    candidates: Candidates,
    histories: UserHistories,
    timestamps: npt.NDArray[np.int64],
    items: ItemTable,
    neighbors: Neighbors,
    names: Sequence[str] = SIGNALS,
) -> npt.NDArray[np.float32]:
    """Computes signals of the candidates, float32 [q, k, names]; the other arguments are as for `signals_of`.

    Threads compute `REQUESTS_AT_A_TIME` requests at a time; memory holds little more than the result. The signals of a
    candidate lie side by side, so a batch copies one piece of memory for each candidate.
    """
    result = np.empty((*candidates.item_ids.shape, len(names)), np.float32)

    def compute(window: slice) -> None:
        past = UserHistories(histories.item_ids[window], histories.timestamps[window])
        signals = signals_of(candidates.at(window), past, timestamps[window], items, neighbors)
        for number, name in enumerate(names):
            result[window, :, number] = signals[name]

    in_threads(compute, windows(len(timestamps), REQUESTS_AT_A_TIME))
    return result


def ranking_columns(
    columns: Arrays, candidates: Candidates, histories: UserHistories, items: ItemTable, neighbors: Neighbors
) -> Arrays:
    """Returns `RANKER_FEATURES` of all candidates of requests [q], flattened to [q * k] or [q * k, 64]."""
    shape = candidates.item_ids.shape
    signals = signals_of(candidates, histories, columns[TIMESTAMP], items, neighbors)
    repeated = {name: np.repeat(columns[name], shape[1]) for name in (*USER_FEATURES, *CONTEXT_FEATURES)}
    features = items.at(signals.pop("item_id").ravel())
    return repeated | features | {name: values.ravel() for name, values in signals.items()}


def in_batches(columns: Arrays, candidates: Candidates, size: int) -> list[tuple[Arrays, Candidates]]:
    """Splits requests and their candidates into batches of at most `size` requests."""
    return [(take(columns, w), candidates.at(w)) for w in windows(len(candidates.item_ids), size)]
