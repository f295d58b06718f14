"""Ranker signals: relation of a candidate to the user's history, and popularity. Training and serving share them.

Every signal is the logarithm of a count or of days, so no fitted scale is needed.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.units import DAY_SECONDS
from rec_assets.features.history import PADDING_ID, UserHistories

# Trailing windows of popularity in days.
WEEK, MONTH = 7, 28
HISTORY_SIGNALS = ("times_chosen", "days_since", "times_in_category_l2", "times_in_category_l1", "history_length")
POPULARITY_SIGNALS = ("popularity_week", "popularity_month")

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class ItemCategories:
    """Level-1 and level-2 categories by encoded item id, int [v] each."""

    l1: npt.NDArray[np.integer[Any]]
    l2: npt.NDArray[np.integer[Any]]


def retrieval_rank(positions: npt.NDArray[np.integer[Any]]) -> Floats:
    """Returns log(1 + position) of candidates in the order of retrieval, from 0."""
    return np.log1p(positions).astype(np.float32)


def history_signals(
    histories: UserHistories,
    now: npt.NDArray[np.integer[Any]],
    item_ids: npt.NDArray[np.int32],
    owners: npt.NDArray[np.integer[Any]],
    categories: ItemCategories,
) -> dict[str, Floats]:
    """Returns `HISTORY_SIGNALS` of candidates, float32 [N] each.

    Args:
        histories: user histories without gaps [q].
        now: unix seconds of each request [q].
        item_ids: encoded candidates of all requests [N].
        owners: row index in `histories` of each candidate [N].
        categories: categories of all items.

    Returns:
        log(1 + interactions with the item, its level-2 and its level-1 category), log(1 + days since the latest
        interaction with the item) and log(1 + length of the history). Days are 0 without an interaction with the
        item; then times_chosen is 0, too.
    """
    mask = histories.item_ids != PADDING_ID
    past_owners, past = np.nonzero(mask)[0], histories.item_ids[mask]
    lengths = mask.sum(axis=1)
    times, first = _occurrences(past_owners, past, owners, item_ids)
    # Histories are newest first, so the first occurrence is the latest interaction.
    latest = np.append(histories.timestamps[mask], 0)[first]
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
    """Counts each value in the past of its owner.

    With past_owners [0, 0, 0, 1] and past [7, 5, 7, 7], owner 0 and value 7 give count 2 and first position 0.

    Args:
        past_owners: owner of each past value, ascending [m].
        past: past values, not negative [m].
        owners: owner of each value to count [n].
        values: values to count, not negative [n].

    Returns:
        Count of each value, and the position of its first occurrence in `past` or len(past) for count 0; int64 [n].
    """
    past_keys = past_owners << 32 | past.astype(np.int64)
    order = np.argsort(past_keys, kind="stable")
    past_keys, keys = past_keys[order], owners.astype(np.int64) << 32 | values.astype(np.int64)
    start = np.searchsorted(past_keys, keys)
    times = np.searchsorted(past_keys, keys, side="right") - start
    return times, np.where(times > 0, np.append(order, len(past))[start], len(past))


def daily_popularity(
    item_ids: npt.NDArray[np.int32],
    days: npt.NDArray[np.integer[Any]],
    categories: ItemCategories,
    first_days: npt.NDArray[np.integer[Any]],
) -> dict[str, Floats]:
    """Returns `POPULARITY_SIGNALS` at the start of each day, float32 [days + 1, v] each; last row: end of the last day.

    The signal is the rate over the days an item was on sale, plus one day at the rate of its level-2 category. New
    items start at their category's rate.

    Args:
        item_ids: encoded item ids of all interactions [n].
        days: day of each interaction, from 0 [n].
        categories: categories of all items [v].
        first_days: first day of each item on sale, 0 or less for items on sale from the start [v].

    Returns:
        log(1 + interactions per week) over the trailing 7 and 28 days; early days have shorter windows.
    """
    count, size = int(days.max(initial=-1)) + 1, len(first_days)
    total = np.zeros((count + 1, size), np.float32)
    np.add.at(total, (days + 1, item_ids), 1)
    np.cumsum(total, axis=0, out=total)  # interactions before each day
    groups = int(categories.l2.max(initial=0)) + 1
    result = {}
    for name, window in zip(POPULARITY_SIGNALS, (WEEK, MONTH), strict=True):
        rates = np.empty((count + 1, size), np.float32)
        for day in range(count + 1):
            start = max(day - window, 0)
            interactions, on_sale = total[day] - total[start], np.maximum(day - np.maximum(first_days, start), 0)
            group_rates = np.bincount(categories.l2, interactions, groups) / np.maximum(
                np.bincount(categories.l2, on_sale, groups), 1
            )
            rates[day] = (interactions + group_rates[categories.l2]) / (on_sale + 1)
        result[name] = np.log1p(WEEK * rates)
    return result
