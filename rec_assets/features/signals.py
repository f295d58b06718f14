"""What ties a candidate to a user's history, and how popular it is: the ranker's signals, one definition.

Everything is a logarithm of a count or of days, so that no fitted scale is needed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import PADDING, Histories

DAY_SECONDS = 24 * 60 * 60
# Trailing windows of popularity, days.
WEEK, MONTH = 7, 28
HISTORY_SIGNALS = ("times_chosen", "days_since", "times_in_category_l2", "times_in_category_l1", "history_length")
POPULARITY_SIGNALS = ("popularity_week", "popularity_month")
CHUNK = 1 << 22  # comparisons held at a time

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ItemCategories:
    """Categories by encoded item id, int [v] each."""

    l1: npt.NDArray[np.integer[Any]]
    l2: npt.NDArray[np.integer[Any]]


def history_signals(
    histories: Histories,
    now: npt.NDArray[np.integer[Any]],
    item_ids: npt.NDArray[np.int32],
    owners: npt.NDArray[np.integer[Any]],
    categories: ItemCategories,
) -> dict[str, Floats]:
    """`HISTORY_SIGNALS` of candidates, float32 [N] each.

    Args:
        histories: of the users, without holes [q].
        now: unix seconds of each request [q].
        item_ids: encoded candidates of all requests [N].
        owners: the request of each candidate [N].
        categories: of all items.

    Returns:
        log(1 + times the item, its level-2 and its level-1 category were chosen), log(1 + days since the item was; of
        a user who never chose it 0, which times_chosen tells apart) and log(1 + length of the history).
    """
    result = {name: np.empty(len(item_ids), np.float32) for name in HISTORY_SIGNALS}
    lengths = (histories.item_ids != PADDING).sum(axis=1)
    longest = max(1, int(lengths.max(initial=0)))  # most histories are far from full
    step = max(1, CHUNK // longest)
    for start in range(0, len(item_ids), step):
        part = slice(start, start + step)
        owner, items = owners[part], item_ids[part, None]
        past = histories.item_ids[owner, :longest]
        chosen = (past == items) & (past != PADDING)
        # Padding has the category of no item, by the item table's convention, but may share it with padding candidates.
        in_l2 = (categories.l2[past] == categories.l2[items]) & (past != PADDING)
        in_l1 = (categories.l1[past] == categories.l1[items]) & (past != PADDING)
        latest = np.where(chosen, histories.timestamps[owner, :longest], 0).max(axis=1)
        days = np.where(latest > 0, now[owner] - latest, 0) / DAY_SECONDS
        for name, values in zip(
            HISTORY_SIGNALS,
            (chosen.sum(axis=1), days, in_l2.sum(axis=1), in_l1.sum(axis=1), lengths[owner]),
            strict=True,
        ):
            result[name][part] = np.log1p(values)
    return result


def daily_popularity(
    item_ids: npt.NDArray[np.int32],
    days: npt.NDArray[np.integer[Any]],
    categories: ItemCategories,
    first_days: npt.NDArray[np.integer[Any]],
) -> dict[str, Floats]:
    """`POPULARITY_SIGNALS` at the start of each day, float32 [days + 1, v] each; the last row is of after the last.

    A rate over the days an item was on sale, shrunk towards that of its level-2 category as by one more day of it: an
    item that came today is not unpopular, it is as popular as its like until it shows otherwise.

    Args:
        item_ids: encoded, of all interactions [n].
        days: the day of each, from 0 [n].
        categories: of all items [v].
        first_days: the day each item came, 0 or less where it was always there [v].

    Returns:
        log(1 + interactions a week) over the trailing 7 and 28 days, or over what there is of them.
    """
    count, size = int(days.max(initial=-1)) + 1, len(first_days)
    total = np.zeros((count + 1, size), np.float32)
    np.add.at(total, (days + 1, item_ids), 1)
    np.cumsum(total, axis=0, out=total)  # of all days before each
    groups = int(categories.l2.max(initial=0)) + 1
    result = {}
    for name, window in zip(POPULARITY_SIGNALS, (WEEK, MONTH), strict=True):
        rates = np.empty((count + 1, size), np.float32)
        for day in range(count + 1):
            start = max(day - window, 0)
            chosen, on_sale = total[day] - total[start], np.maximum(day - np.maximum(first_days, start), 0)
            of_group = np.bincount(categories.l2, chosen, groups) / np.maximum(
                np.bincount(categories.l2, on_sale, groups), 1
            )
            rates[day] = (chosen + of_group[categories.l2]) / (on_sale + 1)
        result[name] = np.log1p(WEEK * rates)
    return result
