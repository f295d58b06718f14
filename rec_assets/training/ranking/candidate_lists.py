"""The candidate lists that the ranker learns from: what its users chose later, out of what retrieval returns."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.ranker_users import trains_ranker
from rec_assets.datasets.ranking_features import all_signals
from rec_assets.datasets.rows import Arrays, take
from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP
from rec_assets.features.history import InteractionLog, UserHistories
from rec_assets.features.signals import DAY_SECONDS
from rec_assets.inference.merge_candidates import PADDING_ID
from rec_assets.training.loop.batches import ranking_batches
from rec_assets.training.ranking.dlrm import CHOSEN

Flags: TypeAlias = npt.NDArray[np.bool_]
PARTS = 8


@dataclass(frozen=True)
class RankerLists:
    """Requests [n] that chose a candidate, with all their candidates [n, k].

    Attributes:
        requests: encoded user and context columns, who asks and when.
        inputs: `item_id` int32 and `SIGNALS` float32 of every candidate, [n, k] each.
        chosen: bool [n, k], the candidates that were chosen within the horizon.
        new: bool [n, k], the candidates that are not in the history.
    """

    requests: Arrays
    inputs: Arrays
    chosen: Flags
    new: Flags

    @classmethod
    def of(
        cls,
        requests: Arrays,
        candidates: Candidates,
        histories: UserHistories,
        log: InteractionLog,
        items: ItemTable,
        horizon_days: int,
    ) -> "RankerLists":
        """Looks up in a log what was chosen; the log ends where nothing more may be known.

        Requests that chose no candidate are dropped: their lists cannot teach an order.
        """
        chosen = chosen_later(requests, candidates, log, horizon_days)
        rows = np.flatnonzero(chosen.any(axis=1))
        candidates = Candidates(candidates.item_ids[rows], candidates.scores[rows])
        requests, histories = take(requests, rows), histories.at(rows)
        inputs = all_signals(candidates, histories, requests[TIMESTAMP], items)
        return cls(requests, inputs, chosen[rows], new_to_users(candidates, histories))

    def __len__(self) -> int:
        return len(self.chosen)

    def epoch(self, positives: int, negatives: int, batch_size: int, seed: int) -> tf.data.Dataset:
        """Draws two lists a request: one of all candidates, and one of the new ones alone.

        Without the second, repeats would be nearly all of the positives.

        Args:
            positives: number of positives of a list, at most.
            negatives: number of negatives of a list.
            batch_size: lists a batch.
            seed: random seed of the draws and of the order of lists.
        """
        there = self.inputs["item_id"] != PADDING_ID
        drawn = (
            draw_lists(there, self.chosen, positives, negatives, seed),
            draw_lists(there & self.new, self.chosen & self.new, positives, negatives, seed),
        )
        rows, places, positive = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        flat = rows[:, None] * self.chosen.shape[1] + places
        lists = {name: np.take(values, flat) for name, values in self.inputs.items()}
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
    own = np.flatnonzero(trains_ranker(rows[REQUEST_USER_ID]))
    own = own[np.argsort(rows[TIMESTAMP][own], kind="stable")]
    visits = rows[REQUEST_USER_ID][own].astype(np.int64) << 32 | rows[TIMESTAMP][own] // DAY_SECONDS
    arrivals = own[np.unique(visits, return_index=True)[1]]
    return np.sort(np.random.default_rng(seed).permutation(arrivals)[:most])


def chosen_later(
    requests: Arrays, candidates: Candidates, log: InteractionLog, horizon_days: int
) -> npt.NDArray[np.bool_]:
    """Tells which candidates [n, k] their users chose from the request on, for so many days or until the log ends."""
    users, start = requests[REQUEST_USER_ID].astype(np.int64) << 32, requests[TIMESTAMP]
    begin = np.searchsorted(log.keys, users | start)
    end = np.searchsorted(log.keys, users | (start + horizon_days * DAY_SECONDS))
    chosen = np.zeros(candidates.item_ids.shape, np.bool_)
    for row, (first, last) in enumerate(zip(begin, end, strict=True)):
        chosen[row] = np.isin(candidates.item_ids[row], log.item_ids[first:last])
    return chosen & (candidates.item_ids != PADDING_ID)


def new_to_users(candidates: Candidates, histories: UserHistories) -> npt.NDArray[np.bool_]:
    """Tells which candidates [n, k] are not in the histories [n] of who asks."""
    new = np.ones(candidates.item_ids.shape, np.bool_)
    for row, (found, past) in enumerate(zip(candidates.item_ids, histories.item_ids, strict=True)):
        new[row] = ~np.isin(found, past)
    return new


def draw_lists(
    there: Flags, chosen: Flags, positives: int, negatives: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Flags]:
    """Draws lists of positives and negatives out of the candidates of each request, without replacement.

    Args:
        there: bool [n, k], the candidates to draw from.
        chosen: bool [n, k], the positives among them.
        positives: number of positives to draw, at most.
        negatives: number of negatives to draw; a request that has fewer gets others in their place.
        seed: random seed of the draws.

    Returns:
        The requests that have a positive [m], the drawn places int64 [m, length], positives first, and bool
        [m, positives]: False where a request has fewer positives.
    """
    rows = np.flatnonzero(chosen.any(axis=1))

    def draw(part: npt.NDArray[np.int64], own_seed: np.random.SeedSequence) -> tuple[npt.NDArray[np.int64], Flags]:
        theirs = chosen[part]
        noise = np.random.default_rng(own_seed).random(theirs.shape, np.float32)
        first = _smallest(np.where(theirs, noise, np.float32(2)), positives)
        others = _smallest(np.where(there[part] & ~theirs, noise, np.float32(2)), negatives)
        return np.concatenate([first, others], axis=1), np.take_along_axis(theirs, first, axis=1)

    # A fixed number of parts, so that the draws do not depend on the machine; NumPy sorts them side by side.
    seeds = np.random.SeedSequence(seed).spawn(PARTS)
    with ThreadPoolExecutor() as threads:
        places, positive = zip(*threads.map(draw, np.array_split(rows, PARTS), seeds), strict=True)
    return rows, np.concatenate(places), np.concatenate(positive)


def _smallest(values: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """Returns the places of the smallest values of each row [m, min(count, k)], ascending, whatever the processor."""
    if count >= values.shape[1]:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.sort(np.argpartition(values, count - 1, axis=1)[:, :count], axis=1)
