"""Buy again: items that a user is due to buy again, by the user's own interval and the item's usual one.

The score of an item starts from a share that was observed: of the pairs of a user and an item with as many purchases
and as many intervals since the last one, how many were bought within a week. A factor of the item corrects the odds of
this share. `count_again.py` counts both.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.units import DAY_SECONDS

SOON_DAYS = 7  # a score is the probability of a purchase within these days
PRIOR_GAPS = 2.0  # gaps at the item's interval that are added to a user's gaps
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
        chances: probability below 1 that a pair is bought within `SOON_DAYS`, as one flat table, float32 [6 * 10]. Rows
            are days with a purchase (`DAYS_EDGES`), columns are intervals since the last one (`SINCE_EDGES`).
        items: usual interval in days, and factor of the odds of `chances`, by encoded item id, rows `ITEM_ROW` [v].
    """

    chances: npt.NDArray[np.float32]
    items: npt.NDArray[Any]

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
        """Returns the probability below 1 of a purchase of each pair within `SOON_DAYS` of a moment, float64 [p]."""
        rows = self.items[purchases.item_ids]
        chances = self.chances[cells_of(purchases, rows["interval"], now)].astype(np.float64)
        # A factor of the chance itself would exceed 1 for items that are often bought.
        bought = chances * rows["factor"]
        return bought / (1 - chances + bought)

    def save(self, folder: Path) -> None:
        """Writes two files into a folder."""
        np.save(folder / CHANCES, self.chances)
        np.save(folder / ITEMS, self.items)

    @classmethod
    def load(cls, folder: Path) -> "BuyAgain":
        """Maps the files of `save`; raises OSError or ValueError if one is missing or damaged."""
        return cls(*(np.asarray(np.load(folder / file, mmap_mode="r")) for file in (CHANCES, ITEMS)))


def cells_of(pairs: Purchases, intervals: npt.NDArray[Any], now: int) -> npt.NDArray[np.int64]:
    """Returns the position of each pair in `BuyAgain.chances`; `intervals` are those of the items, in days [p]."""
    gaps = pairs.days - 1
    own = (pairs.span + PRIOR_GAPS * intervals) / (gaps + PRIOR_GAPS)
    intervals_since = (now - pairs.last) / DAY_SECONDS / own
    row = np.searchsorted(DAYS_EDGES, pairs.days, side="right")
    return row * (len(SINCE_EDGES) + 1) + np.searchsorted(SINCE_EDGES, intervals_since, side="right")
