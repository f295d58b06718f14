"""Computes the true probability of each next item and the oracle ranking: an upper bound for models' metrics."""

import numpy as np
import numpy.typing as npt

from rec_assets.sources.base import Int32s
from rec_assets.sources.retail.catalog import Floats, Ints
from rec_assets.sources.retail.people import Float32s
from rec_assets.sources.retail.taste import ANY_DEVICE, Taste, device_probabilities, hour_probabilities

# People are drawn independently, so the first 10,000 are a sample of all.
POPULATION = 10_000
CHUNK = 1_000


def known_probabilities(taste: Taste, users: Ints, hours: Ints, devices: Ints) -> Float32s:
    """Returns P(first item of a session | user, hour, device), marginal over the categories.

    Later events of a session have the same probabilities, except that no item repeats within a session.

    Args:
        taste: true preferences on the day of the requests.
        users: row indices of the people [n].
        hours: hours of day [n].
        devices: 0, 1, 2, or -1 for unknown [n].

    Returns:
        float32 [n, items], rows sum to 1.
    """
    result = np.empty((len(users), len(taste.catalog.style)), np.float32)
    for start in range(0, len(users), CHUNK):
        part = slice(start, start + CHUNK)
        categories = taste.category(users[part], hours[part], devices[part])
        result[part] = categories[:, taste.catalog.category] * taste.item_given_category(users[part])
    return result


def anonymous_probabilities(taste: Taste, hours: Ints, devices: Ints) -> Float32s:
    """Returns P(first item of a session | hour, device), marginal over the users, float32 [n, items]."""
    contexts, row = np.unique(np.stack([hours, devices], axis=1), axis=0, return_inverse=True)
    total = np.zeros((len(contexts), len(taste.catalog.style)))
    columns = [np.flatnonzero(taste.catalog.category == c) for c in range(len(taste.styles))]
    people = np.flatnonzero(taste.people.arrival <= taste.day_index)[:POPULATION]
    for start in range(0, len(people), CHUNK):
        users = people[start : start + CHUNK]
        items = taste.item_given_category(users)
        weights = np.stack([_interest(taste, users, hour, device) for hour, device in contexts], axis=1)
        for category, item_columns in enumerate(columns):
            total[:, item_columns] += weights[:, :, category].T @ items[:, item_columns]
    return (total / total.sum(axis=1, keepdims=True)).astype(np.float32)[row.reshape(-1)]


def best_items(probabilities: Float32s, item_ids: npt.NDArray[np.int32], k: int) -> Int32s:
    """Returns the ids of the k most probable items of each row, best first, int32 [n, min(k, items)]."""
    k = min(k, probabilities.shape[1])
    top = np.argpartition(-probabilities, k - 1, axis=1)[:, :k]
    order = np.argsort(-np.take_along_axis(probabilities, top, axis=1), axis=1, kind="stable")
    return item_ids[np.take_along_axis(top, order, axis=1)]


def _interest(taste: Taste, users: Ints, hour: int, device: int) -> Floats:
    """Returns the relative joint probability of each user and category, given hour and device [n, 20]."""
    hours, devices = np.full(len(users), hour), np.full(len(users), device)
    presence = taste.people.activity[users] * hour_probabilities(taste.people, users)[:, hour]
    if device != ANY_DEVICE:
        presence = presence * device_probabilities(taste.people, users, hours)[:, device]
    return presence[:, None] * taste.category(users, hours, devices)
