"""Buy again: items that a user is due to buy again, by the user's own interval and the item's usual one.

The score of an item is a share that was observed: of the pairs of a user and an item with as many purchases and as many
intervals since the last one, how many were bought within a week. The item's own share corrects it.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.units import DAY_SECONDS
from rec_assets.features.history import InteractionLog

SOON_DAYS = 7  # a score is the probability of a purchase within these days
SNAPSHOTS = 4  # moments, `SOON_DAYS` apart, whose following days teach the tables
PRIOR_GAPS = 2.0  # gaps at the item's interval that are added to a user's gaps
PRIOR_PURCHASES = 5.0  # purchases at the shop's values that are added to those of an item
DAYS_EDGES = np.array([2, 3, 4, 6, 10])  # days with a purchase of the item
SINCE_EDGES = np.array([0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3, 5])  # days since the last purchase, in intervals
AGAIN = "again"  # folder of the tables in a bundle
CHANCES, ITEMS = "chances.npy", "items.npy"
ITEM_ROW = np.dtype([("interval", "<f4"), ("factor", "<f4")])

Ids = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Purchases:
    """The purchases of items by users, one entry for each pair of a user and an item.

    Attributes:
        owners: user of each pair, ascending, int64 [p].
        item_ids: encoded item of each pair, int64 [p].
        days: number of days with a purchase, int64 [p].
        first: first purchase, unix seconds, int64 [p].
        last: last purchase, unix seconds, int64 [p].
    """

    owners: npt.NDArray[np.int64]
    item_ids: npt.NDArray[np.int64]
    days: npt.NDArray[np.int64]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]

    @classmethod
    def of(cls, owners: Ids, item_ids: Ids, timestamps: Ids) -> "Purchases":
        """Groups rows [n] in any order."""
        order = np.lexsort((timestamps, item_ids, owners))
        owner, item, at = (column[order].astype(np.int64) for column in (owners, item_ids, timestamps))
        is_new = np.ones(len(at), np.bool_)
        is_new[1:] = (np.diff(owner) != 0) | (np.diff(item) != 0)
        is_day = is_new.copy()
        is_day[1:] |= np.diff(at // DAY_SECONDS) != 0
        starts = np.flatnonzero(is_new)
        days = np.bincount(np.cumsum(is_new) - 1, is_day, len(starts)).astype(np.int64)
        return cls(owner[starts], item[starts], days, at[starts], at[np.append(starts[1:], len(at))[: len(starts)] - 1])

    @property
    def span(self) -> Floats:
        """Returns days from the first to the last purchase, float64 [p]."""
        return (self.last - self.first) / DAY_SECONDS


@dataclass(frozen=True)
class BuyAgain:
    """Tables that score the items of a user's history.

    Attributes:
        chances: share of pairs that are bought within `SOON_DAYS`, by days with a purchase (`DAYS_EDGES`) and by
            intervals since the last purchase (`SINCE_EDGES`), as one flat table, float32 [6 * 10].
        items: usual interval in days, and purchases relative to `chances`, by encoded item id, rows `ITEM_ROW` [v].
    """

    chances: npt.NDArray[np.float32]
    items: npt.NDArray[Any]

    @classmethod
    def of(cls, log: InteractionLog, size: int) -> "BuyAgain":
        """Counts repeated purchases.

        Each of `SNAPSHOTS` moments splits the log: the pairs before it are compared with the purchases of the next
        `SOON_DAYS`. Both tables are shrunk toward the shop's values by `PRIOR_PURCHASES`.

        Args:
            log: interactions that teach.
            size: number of encoded items.
        """
        items = np.zeros(size, ITEM_ROW)
        items["interval"] = _intervals(Purchases.of(log.user_ids, log.item_ids, log.timestamps), size)
        end = int(log.timestamps.max(initial=0)) + 1
        step = SOON_DAYS * DAY_SECONDS
        parts = [_outcomes(log, items, end - number * step, step) for number in range(1, SNAPSHOTS + 1)]
        cells, item_ids, is_bought = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        count = (len(DAYS_EDGES) + 1) * (len(SINCE_EDGES) + 1)
        prior = PRIOR_PURCHASES * is_bought.sum() / max(len(is_bought), 1)
        pairs = np.bincount(cells, minlength=count) + PRIOR_PURCHASES
        chances = (np.bincount(cells, is_bought, count) + prior) / pairs
        expected = np.bincount(item_ids, chances[cells], size)
        items["factor"] = (np.bincount(item_ids, is_bought, size) + PRIOR_PURCHASES) / (expected + PRIOR_PURCHASES)
        return cls(chances.astype(np.float32), items)

    @property
    def has_repeats(self) -> bool:
        """Returns False for a shop whose users bought no item again."""
        return bool(self.chances.any())

    def due(self, item_ids: Ids, timestamps: Ids, now: int) -> tuple[npt.NDArray[np.int64], Floats]:
        """Returns the items of one history with the probability of a purchase within `SOON_DAYS`, best first.

        Args:
            item_ids: encoded items of the history, in any order [n].
            timestamps: unix seconds [n]; rows at or after `now` do not count.
            now: moment of the list, unix seconds.

        Returns:
            Distinct encoded items int64 [m] and probabilities float64 [m], ties by id.
        """
        past = timestamps < now
        own = Purchases.of(np.zeros(past.sum(), np.int64), item_ids[past], timestamps[past])
        scores = self.scores(own, now)
        order = np.lexsort((own.item_ids, -scores))
        return own.item_ids[order], scores[order]

    def scores(self, purchases: Purchases, now: int) -> Floats:
        """Returns the probability of a purchase of each pair within `SOON_DAYS` of a moment, float64 [p]."""
        rows = self.items[purchases.item_ids]
        return np.minimum(self.chances[_cells(purchases, rows["interval"], now)] * rows["factor"].astype(np.float64), 1)

    def save(self, folder: Path) -> None:
        """Writes two files into a folder."""
        np.save(folder / CHANCES, self.chances)
        np.save(folder / ITEMS, self.items)

    @classmethod
    def load(cls, folder: Path) -> "BuyAgain":
        """Maps the files of `save`; raises OSError or ValueError if one is missing or damaged."""
        return cls(*(np.asarray(np.load(folder / file, mmap_mode="r")) for file in (CHANCES, ITEMS)))


def _intervals(pairs: Purchases, size: int) -> Floats:
    """Returns the mean days between two purchases of one user, by encoded item, float64 [v], at least 1."""
    gaps = np.bincount(pairs.item_ids, pairs.days - 1, size)
    spans = np.bincount(pairs.item_ids, np.where(pairs.days > 1, pairs.span, 0), size)
    usual = spans.sum() / max(gaps.sum(), 1)
    return np.maximum((spans + PRIOR_PURCHASES * usual) / (gaps + PRIOR_PURCHASES), 1)


def _outcomes(log: InteractionLog, items: npt.NDArray[Any], now: int, step: int) -> tuple[Ids, Ids, Floats]:
    """Returns cell, item and whether it was bought within `step` seconds of each pair before a moment, [p] each."""
    before = log.until(now)
    pairs = Purchases.of(before.user_ids, before.item_ids, before.timestamps)
    soon = log.at((log.timestamps >= now) & (log.timestamps < now + step))
    is_bought = np.isin(pairs.owners * len(items) + pairs.item_ids, soon.user_ids * len(items) + soon.item_ids)
    return _cells(pairs, items["interval"][pairs.item_ids], now), pairs.item_ids, is_bought.astype(np.float64)


def _cells(pairs: Purchases, intervals: npt.NDArray[np.float32], now: int) -> npt.NDArray[np.int64]:
    """Returns the position of each pair in the table of chances; `intervals` are those of the items, in days [p]."""
    gaps = pairs.days - 1
    own = (pairs.span + PRIOR_GAPS * intervals) / (gaps + PRIOR_GAPS)
    intervals_since = (now - pairs.last) / DAY_SECONDS / own
    row = np.searchsorted(DAYS_EDGES, pairs.days, side="right")
    return row * (len(SINCE_EDGES) + 1) + np.searchsorted(SINCE_EDGES, intervals_since, side="right")
