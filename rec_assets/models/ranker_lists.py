"""The candidate lists that the ranker learns from: what its users chose later, out of what retrieval returns."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.features.history import EventLog, Histories
from rec_assets.features.signals import DAY_SECONDS
from rec_assets.models.batches import ranking_batches
from rec_assets.models.candidates import Candidates
from rec_assets.models.dlrm import CHOSEN
from rec_assets.models.holdout import trains_ranker
from rec_assets.models.ranking_inputs import signals_at
from rec_assets.models.rows import ASKED_BY, TIMESTAMP, Arrays, ItemTable, take
from rec_assets.serving.candidates import NOTHING

Flags: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class RankerLists:
    """Requests [n] of users that belong to the ranker, with their candidates [n, k].

    Attributes:
        requests: encoded user and context columns, who asks and when.
        candidates: what retrieval returns.
        histories: of who asks.
        chosen: bool [n, k], the candidates that were chosen within the horizon.
        new: bool [n, k], those that are not in the history.
    """

    requests: Arrays
    candidates: Candidates
    histories: Histories
    chosen: Flags
    new: Flags

    @classmethod
    def of(
        cls, requests: Arrays, candidates: Candidates, histories: Histories, log: EventLog, horizon_days: int
    ) -> "RankerLists":
        """Looks up in a log what was chosen; the log ends where nothing more may be known."""
        chosen = chosen_later(requests, candidates, log, horizon_days)
        return cls(requests, candidates, histories, chosen, new_to_users(candidates, histories))

    def __len__(self) -> int:
        """How many have a positive: no other can teach an order."""
        return int(self.chosen.any(axis=1).sum())

    def epoch(self, items: ItemTable, positives: int, negatives: int, batch_size: int, seed: int) -> tf.data.Dataset:
        """Draws lists anew: one of all candidates, and one of what is new, for repeats alone would fill the positives.

        Args:
            items: the item table.
            positives: how many to draw at most for each list.
            negatives: how many follow them.
            batch_size: lists a batch.
            seed: of draws and order.
        """
        only_new = Candidates(np.where(self.new, self.candidates.item_ids, np.int32(NOTHING)), self.candidates.scores)
        drawn = (
            draw_lists(self.candidates, self.chosen, positives, negatives, seed),
            draw_lists(only_new, self.chosen & self.new, positives, negatives, seed),
        )
        rows, places, positive = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        own = Candidates(self.candidates.item_ids[rows], self.candidates.scores[rows])
        lists = signals_at(own, places, self.histories.at(rows), self.requests[TIMESTAMP][rows], items)
        return ranking_batches(take(self.requests, rows), lists | {CHOSEN: positive}, batch_size, seed)


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


def new_to_users(candidates: Candidates, histories: Histories) -> npt.NDArray[np.bool_]:
    """Tells which candidates [n, k] are not in the histories [n] of who asks."""
    pairs = zip(candidates.item_ids, histories.item_ids, strict=True)
    return np.stack([~np.isin(found, past) for found, past in pairs])


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
