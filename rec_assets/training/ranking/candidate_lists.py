"""Candidate lists that the ranker trains on. Positives are retrieved items that the user interacts with later."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.candidates import Candidates
from rec_assets.datasets.item_table import ItemTable
from rec_assets.datasets.ranking_features import all_signals
from rec_assets.datasets.request_features import histories_of
from rec_assets.datasets.rows import Arrays, take
from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP
from rec_assets.features.history import PADDING_ID, InteractionLog, UserHistories
from rec_assets.features.signals.history_signals import NEIGHBOR_SCORE
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.training.loop.candidate_signals import STORED_SIGNALS, CandidateSignals
from rec_assets.training.loop.list_batches import DrawnLists, ranking_batches

Flags: TypeAlias = npt.NDArray[np.bool_]
PARTS = 8


@dataclass(frozen=True)
class RankerLists:
    """Requests [n] with at least one positive candidate, and all their candidates [n, k].

    Attributes:
        requests: encoded user and context columns, raw user ids and timestamps.
        signals: signals of all candidates [n, k], and their encoded items, padded with `PADDING_ID`.
        interacted: bool [n, k], True for candidates with an interaction within the horizon.
        new: bool [n, k], True for candidates outside the history.
    """

    requests: Arrays
    signals: CandidateSignals
    interacted: Flags
    new: Flags

    @classmethod
    def of(
        cls,
        requests: Arrays,
        users: npt.NDArray[np.int32],
        candidates: Candidates,
        past: InteractionLog,
        later: InteractionLog,
        items: ItemTable,
        neighbors: Neighbors,
        horizon_days: int,
    ) -> "RankerLists":
        """Labels candidates by the log of `later` interactions of users [n], which must end before any evaluation data.

        `past` has the histories, which end before each request; requests of `visitors.with_visitors` have none. Drops
        requests without a positive, because their lists carry no information about the order; their histories are never
        in memory. Items have no neighbor score on their first day, as in requests after the training: the neighbors of
        a fine-tune come from rows of its day, so for these items they contain only choices from this day on.
        """
        interacted = interacted_later(users, requests[TIMESTAMP], candidates, later, horizon_days)
        rows = np.flatnonzero(interacted.any(axis=1))
        requests, candidates = take(requests, rows), candidates.at(rows)
        histories, now = histories_of(requests, past), requests[TIMESTAMP]
        stored = all_signals(candidates, histories, now, items, neighbors, STORED_SIGNALS)
        first_day = items.on_first_day(candidates.item_ids, now)
        stored[..., STORED_SIGNALS.index(NEIGHBOR_SCORE)][first_day] = 0
        signals = CandidateSignals(candidates.item_ids, stored, now, items.signals)
        return cls(requests, signals, interacted[rows], new_to_users(candidates, histories))

    def __len__(self) -> int:
        return len(self.interacted)

    @property
    def mask(self) -> Flags:
        """Returns True for candidates, False for padding, bool [n, k]."""
        return self.signals.item_ids != PADDING_ID

    def draw(self, positives: int, negatives: int, seed: int) -> DrawnLists:
        """Draws two lists per request: one from all candidates, one from new candidates only.

        Without the second list, nearly all positives would be repeat purchases.

        Args:
            positives: maximum number of positives per list.
            negatives: number of negatives per list.
            seed: random seed for the draws.
        """
        mask = self.mask
        drawn = (
            draw_lists(mask, self.interacted, positives, negatives, seed),
            draw_lists(mask & self.new, self.interacted & self.new, positives, negatives, seed),
        )
        rows, positions, positive = (np.concatenate(parts) for parts in zip(*drawn, strict=True))
        return DrawnLists(self.signals, rows, positions, positive, take(self.requests, rows))


def epoch_of(
    sets: Sequence[RankerLists], positives: int, negatives: int, batch_size: int, seed: int
) -> tf.data.Dataset:
    """Returns one epoch of the lists of all sets, as `RankerLists.draw` draws them, in random order.

    Args:
        sets: the sets of lists.
        positives, negatives: as for `RankerLists.draw`.
        batch_size: lists per batch.
        seed: random seed for the draws and the order of lists.
    """
    return ranking_batches([lists.draw(positives, negatives, seed) for lists in sets], batch_size, seed)


def arrivals(rows: Arrays, users: Flags, most: int, seed: int) -> npt.NDArray[np.int64]:
    """Selects the rows that get a candidate list: the first row of each day of each user.

    Args:
        rows: the training rows with raw user ids and timestamps [n].
        users: True for rows of the users to select, bool [n].
        most: maximum number of rows to select.
        seed: random seed for the draw.

    Returns:
        Row numbers, ascending.
    """
    numbers = np.flatnonzero(users)
    numbers = numbers[np.argsort(rows[TIMESTAMP][numbers], kind="stable")]
    visits = rows[REQUEST_USER_ID][numbers].astype(np.int64) << 32 | rows[TIMESTAMP][numbers] // DAY_SECONDS
    first = numbers[np.unique(visits, return_index=True)[1]]
    return np.sort(np.random.default_rng(seed).permutation(first)[:most])


def interacted_later(
    users: npt.NDArray[np.int32],
    start: npt.NDArray[np.int64],
    candidates: Candidates,
    log: InteractionLog,
    horizon_days: int,
) -> npt.NDArray[np.bool_]:
    """Returns True for candidates [n, k] with an interaction of the user [n] from the request on, within the horizon.

    Only interactions that teach count. `start` has the times of the requests, unix seconds [n].
    """
    log, keys = log.targets, users.astype(np.int64) << 32
    begin = np.searchsorted(log.keys, keys | start)
    end = np.searchsorted(log.keys, keys | (start + horizon_days * DAY_SECONDS))
    interacted = np.zeros(candidates.item_ids.shape, np.bool_)
    for row, (first, last) in enumerate(zip(begin, end, strict=True)):
        interacted[row] = np.isin(candidates.item_ids[row], log.item_ids[first:last])
    return interacted & (candidates.item_ids != PADDING_ID)


def new_to_users(candidates: Candidates, histories: UserHistories) -> npt.NDArray[np.bool_]:
    """Returns True for candidates [n, k] outside the user's history [n]."""
    new = np.ones(candidates.item_ids.shape, np.bool_)
    for row, (item_ids, history_ids) in enumerate(zip(candidates.item_ids, histories.item_ids, strict=True)):
        new[row] = ~np.isin(item_ids, history_ids)
    return new


def draw_lists(
    mask: Flags, interacted: Flags, positives: int, negatives: int, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Flags]:
    """Draws a list of positives and negatives from the candidates of each request, without replacement.

    Args:
        mask: bool [n, k], True for candidates to draw from.
        interacted: bool [n, k], True for positives.
        positives: maximum number of positives to draw.
        negatives: number of negatives to draw; other positions fill up a request with fewer negatives.
        seed: random seed for the draws.

    Returns:
        The requests with a positive [m], the drawn positions int64 [m, length], positives first, and bool
        [m, positives]: False beyond the positives of a request.
    """
    rows = np.flatnonzero(interacted.any(axis=1))

    def draw(part: npt.NDArray[np.int64], part_seed: np.random.SeedSequence) -> tuple[npt.NDArray[np.int64], Flags]:
        is_positive = interacted[part]
        noise = np.random.default_rng(part_seed).random(is_positive.shape, np.float32)
        first = _smallest(np.where(is_positive, noise, np.float32(2)), positives)
        others = _smallest(np.where(mask[part] & ~is_positive, noise, np.float32(2)), negatives)
        return np.concatenate([first, others], axis=1), np.take_along_axis(is_positive, first, axis=1)

    # A fixed number of parts makes the draws independent of the machine; NumPy sorts the parts in parallel.
    seeds = np.random.SeedSequence(seed).spawn(PARTS)
    with ThreadPoolExecutor() as threads:
        positions, positive = zip(*threads.map(draw, np.array_split(rows, PARTS), seeds), strict=True)
    return rows, np.concatenate(positions), np.concatenate(positive)


def _smallest(values: npt.NDArray[np.float32], count: int) -> npt.NDArray[np.int64]:
    """Returns the positions of the smallest values of each row [m, min(count, k)], ascending on every CPU."""
    if count >= values.shape[1]:
        return np.broadcast_to(np.arange(values.shape[1]), values.shape)
    return np.sort(np.argpartition(values, count - 1, axis=1)[:, :count], axis=1)
