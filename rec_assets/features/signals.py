"""Signals of the ranker: how a candidate relates to the user's history, and its popularity; one definition.

Everything is a logarithm of a count or of days, so that no fitted scale is needed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import PADDING, UserHistories

DAY_SECONDS = 24 * 60 * 60
# Trailing windows of popularity, days.
WEEK, MONTH = 7, 28
HISTORY_SIGNALS = ("times_chosen", "days_since", "times_in_category_l2", "times_in_category_l1", "history_length")
POPULARITY_SIGNALS = ("popularity_week", "popularity_month")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ItemCategories:
    """Categories by encoded item id, int [v] each."""

    l1: npt.NDArray[np.integer[Any]]
    l2: npt.NDArray[np.integer[Any]]


def history_signals(
    histories: UserHistories,
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
    there = histories.item_ids != PADDING
    past_owners, past = np.nonzero(there)[0], histories.item_ids[there]
    lengths = there.sum(axis=1)
    times, first = _occurrences(past_owners, past, owners, item_ids)
    # Newest first, so that the first occurrence is the latest.
    latest = np.append(histories.timestamps[there], 0)[first]
    values = {
        "times_chosen": times,
        "days_since": np.where(times > 0, now[owners] - latest, 0) / DAY_SECONDS,
        "times_in_category_l2": _occurrences(past_owners, categories.l2[past], owners, categories.l2[item_ids])[0],
        "times_in_category_l1": _occurrences(past_owners, categories.l1[past], owners, categories.l1[item_ids])[0],
        "history_length": lengths[owners],
    }
    return {name: np.log1p(values[name]).astype(np.float32) for name in HISTORY_SIGNALS}


def _occurrences(
    past_owners: npt.NDArray[np.integer[Any]],
    past: npt.NDArray[np.integer[Any]],
    owners: npt.NDArray[np.integer[Any]],
    values: npt.NDArray[np.integer[Any]],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Counts each owner's value among that owner's past.

    Args:
        past_owners: of the past, ascending [m].
        past: values, not negative [m].
        owners: of the values that are looked for [n].
        values: not negative [n].

    Returns:
        How often each is there, and the place in `past` where it is first, len(past) where it is not; int64 [n].
    """
    there = past_owners << 32 | past.astype(np.int64)
    order = np.argsort(there, kind="stable")
    there, wanted = there[order], owners.astype(np.int64) << 32 | values.astype(np.int64)
    start = np.searchsorted(there, wanted)
    times = np.searchsorted(there, wanted, side="right") - start
    return times, np.where(times > 0, np.append(order, len(past))[start], len(past))


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
