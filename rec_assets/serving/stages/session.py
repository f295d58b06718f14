"""The session of a request (`recent`): joined with the stored history, and the category of its items."""

from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.features.history import LENGTH, Ids, Times
from rec_assets.features.top_category import NO_CATEGORY, WINDOW_SECONDS
from rec_assets.serving.graph.request import NO_ITEM


def has_session(recent: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """Returns True for requests [B] with at least one pair in `recent` [B, n, 2]."""
    return (recent[..., 0] != NO_ITEM).any(axis=1)


def with_session(items: Ids, times: Times, recent: Ids) -> tuple[Ids, Times]:
    """Joins stored histories with sessions. An interaction that both have, with item and second, counts once.

    Example: the history ((13, 900), (10, 700)) and the session ((10, 950), (13, 900)) become ((10, 950), (13, 900),
    (10, 700)).

    Args:
        items: raw item ids of the histories, int32 [B, LENGTH], padded with -1.
        times: their unix seconds, int64 [B, LENGTH].
        recent: sessions, int32 [B, n, 2].

    Returns:
        Items and times in the form of the arguments: the latest `LENGTH`, newest first, larger ids first in a second.
    """
    rows = np.flatnonzero(has_session(recent))
    if not len(rows):
        return items, times
    both = np.concatenate([items[rows], recent[rows, :, 0]], axis=1)
    at = np.concatenate([times[rows], recent[rows, :, 1]], axis=1)
    order = np.lexsort((-both, -at, both == NO_ITEM))
    both, at = np.take_along_axis(both, order, axis=1), np.take_along_axis(at, order, axis=1)
    removed = both == NO_ITEM
    removed[:, 1:] |= (both[:, 1:] == both[:, :-1]) & (at[:, 1:] == at[:, :-1])
    order = np.argsort(removed, axis=1, kind="stable")[:, :LENGTH]
    items, times = items.copy(), times.copy()
    items[rows] = np.take_along_axis(np.where(removed, np.int32(NO_ITEM), both), order, axis=1)
    times[rows] = np.take_along_axis(np.where(removed, 0, at), order, axis=1)
    return items, times


def top_categories(categories: Ids, times: Ids, now: Ids) -> Ids:
    """Returns the most frequent category of each session in the 24 hours before the request, as `top_category` does.

    Args:
        categories: category of each item, int32 [B, n], -1 for an item without one.
        times: unix seconds of the items, int32 [B, n].
        now: times of the requests, int32 [B].

    Returns:
        Categories, int32 [B]; -1 for a session without items in the window. The latest category wins a tie.
    """
    counted = (times < now[:, None]) & (times >= now[:, None] - WINDOW_SECONDS) & (categories != NO_CATEGORY)
    kept = np.where(counted, categories, np.int32(NO_CATEGORY))
    count = ((kept[:, :, None] == kept[:, None, :]) & counted[:, None, :]).sum(axis=2)
    best = np.lexsort((kept, times, count, counted))[:, -1:]
    return np.take_along_axis(kept, best, axis=1)[:, 0]
