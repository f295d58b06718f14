"""Counts the tables of buy again from a log, and scales them on the log's last week.

Each of `SNAPSHOTS` moments splits the log: the pairs before it are compared with the purchases of the next `SOON_DAYS`.
Intervals are those known at the moment, so the tables never read what they predict.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from rec_assets.common.platt import fit_platt
from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.related.again import (
    DAYS_EDGES,
    ITEM_ROW,
    SINCE_EDGES,
    SOON_DAYS,
    BuyAgain,
    Purchases,
    cells_of,
)
from rec_assets.features.history import InteractionLog

SNAPSHOTS = 4  # moments, `SOON_DAYS` apart, whose following days teach the tables
PRIOR_PURCHASES = 5.0  # purchases at the shop's values that are added to those of an item or of a cell
CELLS = (len(DAYS_EDGES) + 1) * (len(SINCE_EDGES) + 1)
MAX_CHANCE = 0.999  # also of a shop whose users bought everything again
MAX_LOG_FACTOR = np.log(1_000)

Floats = npt.NDArray[np.float64]
STEP = SOON_DAYS * DAY_SECONDS


def count_again(log: InteractionLog, size: int) -> BuyAgain:
    """Returns the tables of a log; equal logs give equal tables.

    The tables of the log without its last week predict this week. Their error scales the tables of the whole log:
    chances and factors are too extreme, because both are estimates from the same few weeks. The tables of a log of less
    than two weeks stay as counted.

    Args:
        log: interactions that teach.
        size: number of encoded items.
    """
    end = int(log.timestamps.max(initial=0)) + 1
    tables, earlier = _count(log, size, end), _count(log.until(end - STEP), size, end - STEP)
    if not earlier.has_repeats:
        return tables
    week = _Week.of(log, size, end - STEP)
    slope, intercept = fit_platt(logit(earlier.scores(week.pairs, end - STEP)), week.is_bought)
    items = tables.items.copy()
    # Few rows may be told apart without an error, which makes the slope infinite.
    factors = np.clip(slope * np.log(tables.items["factor"]), -MAX_LOG_FACTOR, MAX_LOG_FACTOR)
    items["factor"] = np.exp(factors)
    return BuyAgain(_as_chances(expit(slope * logit(tables.chances.astype(np.float64)) + intercept)), items)


@dataclass(frozen=True)
class _Week:
    """The pairs before a moment, and what was bought in the `SOON_DAYS` after it.

    Attributes:
        pairs: pairs of a user and an item before the moment [p].
        intervals: usual days between two purchases by encoded item, as of the moment, float64 [v].
        is_bought: whether each pair was bought, bool [p].
    """

    pairs: Purchases
    intervals: Floats
    is_bought: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, log: InteractionLog, size: int, now: int) -> "_Week":
        before = log.until(now)
        pairs = Purchases.of(before.user_ids, before.item_ids, before.timestamps)
        soon = log.at((log.timestamps >= now) & (log.timestamps < now + STEP))
        is_bought = np.isin(pairs.owners * size + pairs.item_ids, soon.user_ids * size + soon.item_ids)
        return cls(pairs, _intervals(pairs, size), is_bought)


def _count(log: InteractionLog, size: int, end: int) -> BuyAgain:
    """Counts chances and factors, both shrunk toward the shop's values by `PRIOR_PURCHASES`."""
    moments = [end - number * STEP for number in range(1, SNAPSHOTS + 1)]
    weeks = [(now, _Week.of(log, size, now)) for now in moments]
    cells = np.concatenate([cells_of(week.pairs, week.intervals[week.pairs.item_ids], now) for now, week in weeks])
    item_ids = np.concatenate([week.pairs.item_ids for _, week in weeks])
    is_bought = np.concatenate([week.is_bought for _, week in weeks])
    prior = PRIOR_PURCHASES * is_bought.sum() / max(len(is_bought), 1)
    pairs = np.bincount(cells, minlength=CELLS) + PRIOR_PURCHASES
    chances = _as_chances((np.bincount(cells, is_bought, CELLS) + prior) / pairs)
    expected = np.bincount(item_ids, chances[cells], size)
    items = np.zeros(size, ITEM_ROW)
    items["interval"] = _intervals(Purchases.of(log.user_ids, log.item_ids, log.timestamps), size)
    items["factor"] = (np.bincount(item_ids, is_bought, size) + PRIOR_PURCHASES) / (expected + PRIOR_PURCHASES)
    return BuyAgain(chances, items)


def _as_chances(values: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Returns probabilities of at most `MAX_CHANCE`."""
    return np.minimum(values, MAX_CHANCE).astype(np.float32)


def _intervals(pairs: Purchases, size: int) -> Floats:
    """Returns the mean days between two purchases of one user, by encoded item, float64 [v], at least 1."""
    gaps = np.bincount(pairs.item_ids, pairs.days - 1, size)
    spans = np.bincount(pairs.item_ids, np.where(pairs.days > 1, pairs.span, 0), size)
    usual = spans.sum() / max(gaps.sum(), 1)
    return np.maximum((spans + PRIOR_PURCHASES * usual) / (gaps + PRIOR_PURCHASES), 1)
