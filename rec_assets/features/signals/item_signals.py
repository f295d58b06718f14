"""Signals of items as of a day: popularity, repurchase, age. Training and serving share them.

Does not contain signals that depend on a user.
"""

import threading
from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.units import DAY_SECONDS
from rec_assets.features.history import InteractionLog

WEEK, MONTH = 7, 28  # days
# A year of days needs no table of its own for each day: requests read the latest earlier one.
MAX_SNAPSHOTS = 32
PRIOR_BUYERS, PRIOR_GAPS = 5, 5
TINY = 1e-9
ITEM_SIGNALS = (
    "popularity_day",
    "popularity_week",
    "popularity_month",
    "popularity_trend",
    "share_of_category",
    "buyers",
    "repurchase_rate",
    "repurchase_days",
    "first_purchases",
    "item_age",
)

Floats = npt.NDArray[np.float32]
Ids = npt.NDArray[np.integer[Any]]
Values = npt.NDArray[Any]


@dataclass(frozen=True)
class ItemCategories:
    """Level-1 and level-2 categories by encoded item id, int [v] each."""

    l1: Ids
    l2: Ids


class Scratch(threading.local):
    """Tables of zeros by item for each thread. A loop restores what it changes, so a request touches few items.

    Attributes:
        count: rows of a history, int32 [v].
        first: first row of a history, int32 [v].
        sums: further sums, float64 [v] each.
    """

    def __init__(self, items: int) -> None:
        self.count, self.first = np.zeros(items, np.int32), np.zeros(items, np.int32)
        self.sums = np.zeros((3, items))


@dataclass(frozen=True)
class ItemFacts:
    """Properties of all items that signals and candidate sources read, by encoded item id [v].

    Attributes:
        categories: both category levels.
        share_l1: share of the item's level-1 category in all interactions, float32.
        share_l2: the same for level 2.
        price: normalized log price, float32.
    """

    categories: ItemCategories
    share_l1: Floats
    share_l2: Floats
    price: Floats

    @classmethod
    def of(cls, categories: ItemCategories, counts: npt.NDArray[Any], price: Floats) -> "ItemFacts":
        """Computes the shares from the interactions of each item [v]; every category gets one more interaction."""

        def share(category: Ids) -> Floats:
            rows = np.bincount(category, counts) + 1
            return (rows / rows.sum())[category].astype(np.float32)

        return cls(categories, share(categories.l1), share(categories.l2), price)

    @cached_property
    def scratch(self) -> Scratch:
        """Returns the tables that the loops over histories use."""
        return Scratch(len(self.price))

    @cached_property  # a request must not read all items
    def levels(self) -> tuple[tuple[str, Ids, npt.NDArray[np.float64]], ...]:
        """Returns name, category by item [v] and share by category [c] of both levels, the finer first.

        A category without items has the share 1.
        """
        levels = (
            ("category_l2", self.categories.l2, self.share_l2),
            ("category_l1", self.categories.l1, self.share_l1),
        )
        return tuple((name, category, _by_category(category, share)) for name, category, share in levels)


def _by_category(category: Ids, share: Floats) -> npt.NDArray[np.float64]:
    result = np.ones(int(category.max(initial=0)) + 1)
    result[category] = share
    return result


@dataclass(frozen=True)
class ItemSignals:
    """Signals of all items at the start of some days.

    Attributes:
        days: unix days, ascending, int64 [s].
        values: `ITEM_SIGNALS` from the interactions before each day, float32 [s, v] each.
    """

    days: npt.NDArray[np.int64]
    values: dict[str, Floats]

    def at(self, item_ids: Ids, timestamps: Ids) -> dict[str, Floats]:
        """Returns the signals of encoded ids [n], as of the latest table before each timestamp [n]."""
        rows = self.row(timestamps)
        return {name: table[rows, item_ids] for name, table in self.values.items()}

    def row(self, timestamps: Ids) -> npt.NDArray[np.int64]:
        """Returns the row of the latest table before each timestamp [n]; the first row for earlier timestamps."""
        return np.maximum(np.searchsorted(self.days, timestamps // DAY_SECONDS, side="right") - 1, 0)

    @property
    def last(self) -> dict[str, Floats]:
        """Returns the signals after the last interaction, float32 [v] each."""
        return {name: table[-1] for name, table in self.values.items()}


def item_signals(log: InteractionLog, categories: ItemCategories, first_days: npt.NDArray[np.int64]) -> ItemSignals:
    """Computes the signals at the start of at most `MAX_SNAPSHOTS` days; the last table has all interactions.

    Rates are counts over the days an item was on sale, plus a day at the rate of its level-2 category, or more days
    until they have one interaction. So new items start at their category's rate. With one day, the only purchase of an
    item that is known since this purchase would count as one a day. The rate of the week starts at that of the month.
    Rates of repurchase are shrunk toward the category in the same way.

    Args:
        log: all interactions.
        categories: categories of all items [v].
        first_days: first unix day of each item on sale, 0 if unknown, int64 [v].

    Returns:
        log(1 + interactions per week) over the last 1, 7 and 28 days; log of week over month; log of the share of the
        category's interactions; log(1 + users of the item); share of these users with a second interaction;
        log(1 + mean days between interactions of one user); share of first interactions of 28 days;
        log(1 + days on sale), at most 28 days; items on sale from the start are this old from the first day on.
    """
    if not len(log.keys):
        empty = {name: np.zeros((1, len(first_days)), np.float32) for name in ITEM_SIGNALS}
        return ItemSignals(np.zeros(1, np.int64), empty)
    return _Counter(log, categories, first_days).run()


def shrunken_rate(count: Values, days: Values, usual: Values) -> Values:
    """Returns interactions per day [n], shrunk toward a usual rate by the days of one interaction, at least one day.

    Args:
        count: interactions of each item.
        days: days on which they were counted.
        usual: interactions per day of similar items.
    """
    added = np.maximum(1, 1 / np.maximum(usual, TINY))
    return (count + added * usual) / (days + added)


class _Counter:
    """Counts interactions day by day: each day is read once, however many tables are kept."""

    def __init__(self, log: InteractionLog, categories: ItemCategories, first_days: npt.NDArray[np.int64]) -> None:
        # All ids and seconds fit into 32 bits (`history.MAX_ID`), which halves the memory of millions of rows.
        users, items, times = log.user_ids.astype(np.int32), log.item_ids, log.timestamps.astype(np.int32)
        order = np.lexsort((times, items, users))
        users, items, times = users[order], items[order], times[order]
        again = np.append(False, (users[1:] == users[:-1]) & (items[1:] == items[:-1]))
        gaps = np.where(again, np.diff(times, prepend=times[0]) / DAY_SECONDS, 0)
        seconds = again & ~np.append(False, again[:-1])
        by_day = np.argsort(times, kind="stable")
        days = times[by_day] // DAY_SECONDS
        self.first, self.last = int(days[0]), int(days[-1])
        self.edges = np.searchsorted(days, np.arange(self.first, self.last + 2))
        self.items = items[by_day]
        # Weights of each row in the four totals: rows, first rows of a user, second rows, days since the row before.
        self.weights = [np.broadcast_to(1.0, len(days)), ~again[by_day], seconds[by_day], gaps[by_day]]
        self.l2, self.groups = categories.l2, int(categories.l2.max(initial=0)) + 1
        self.is_later = first_days > self.first
        self.first_days = np.maximum(first_days, self.first)

    def run(self) -> ItemSignals:
        size = len(self.first_days)
        count = self.last - self.first + 2
        kept = set(np.linspace(0, count - 1, min(count, MAX_SNAPSHOTS)).round().astype(int).tolist())
        total = np.zeros((4, size))
        past = deque([total.copy()], MONTH + 1)
        days, tables = [], []
        for number in range(count):
            if number in kept:
                days.append(self.first + number)
                tables.append(self._signals(total, past, self.first + number))
            if number < count - 1:
                rows = slice(self.edges[number], self.edges[number + 1])
                total += [np.bincount(self.items[rows], weight[rows], size) for weight in self.weights]
                past.append(total.copy())
        values = {name: np.stack([table[name] for table in tables]).astype(np.float32) for name in ITEM_SIGNALS}
        return ItemSignals(np.array(days, np.int64), values)

    def _signals(
        self, total: npt.NDArray[np.float64], past: "deque[npt.NDArray[np.float64]]", day: int
    ) -> dict[str, npt.NDArray[np.float64]]:
        rows, firsts, seconds, gaps = total
        age = np.maximum(day - self.first_days, 0)

        def recent(days: int) -> npt.NDArray[np.float64]:
            return total - past[max(len(past) - 1 - days, 0)]

        def counted(days: int) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
            """Returns interactions and days on sale."""
            return recent(days)[0], np.minimum(age, min(days, day - self.first))

        def rate(days: int) -> npt.NDArray[np.float64]:
            """Returns interactions per day on sale."""
            count, on_sale = counted(days)
            return shrunken_rate(count, on_sale, self._of_category(count, on_sale))

        month, (count, on_sale) = recent(MONTH), counted(WEEK)
        rates = {1: rate(1), MONTH: rate(MONTH)}
        rates[WEEK] = (count + WEEK * rates[MONTH]) / (on_sale + WEEK)
        weekly = {days: WEEK * value for days, value in rates.items()}
        repeats = rows - firsts
        mean_gap = self._of_category(gaps, repeats, gaps.sum() / max(repeats.sum(), 1))
        return {
            "popularity_day": np.log1p(weekly[1]),
            "popularity_week": np.log1p(weekly[WEEK]),
            "popularity_month": np.log1p(weekly[MONTH]),
            "popularity_trend": np.log((weekly[WEEK] + 1) / (weekly[MONTH] + 1)),
            "share_of_category": np.log((month[0] + 1) / (np.bincount(self.l2, month[0], self.groups)[self.l2] + 10)),
            "buyers": np.log1p(firsts),
            "repurchase_rate": (seconds + PRIOR_BUYERS * self._of_category(seconds, firsts)) / (firsts + PRIOR_BUYERS),
            "repurchase_days": np.log1p((gaps + PRIOR_GAPS * mean_gap) / (repeats + PRIOR_GAPS)),
            "first_purchases": (month[1] + 2) / (month[0] + 3),
            "item_age": np.log1p(np.where(self.is_later, np.minimum(age, MONTH), MONTH)),
        }

    def _of_category(
        self, values: npt.NDArray[Any], counts: npt.NDArray[Any], missing: float = 0.0
    ) -> npt.NDArray[np.float64]:
        """Returns the ratio of both sums in the category of each item; `missing` where the category has no count."""
        sums, counted = (np.bincount(self.l2, a, self.groups) for a in (values, counts))
        return np.where(counted > 0, sums / np.maximum(counted, 1), missing)[self.l2]
