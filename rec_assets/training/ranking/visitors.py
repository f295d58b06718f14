"""Requests of visitors, of whom only device and time are known: a part of the requests that the ranker trains on.

Without them, a hundredth of the requests would have an empty history, and none unknown features. The order for visitors
then differed from training to training: in two of three it was below popularity by context (docs/experiments.md).
"""

import numpy as np

from rec_assets.datasets.rows import Arrays
from rec_assets.features.columns import REQUEST_USER_ID, USER_FEATURES
from rec_assets.features.masking import UNKNOWN

SHARE = 0.2  # of the requests


def with_visitors(requests: Arrays, rows: Arrays, seed: int) -> Arrays:
    """Returns requests [n], of which a part has the user columns of an anonymous row, and so no history.

    Args:
        requests: user and context columns, raw user ids and timestamps, [n] each.
        rows: the training rows. If none of them is anonymous, no request is changed.
        seed: random seed for the draw.
    """
    anonymous = np.flatnonzero(rows[REQUEST_USER_ID] == UNKNOWN)[:1]
    chosen = np.random.default_rng(seed).random(len(requests[REQUEST_USER_ID])) < SHARE
    if not len(anonymous):
        return requests
    columns = (*USER_FEATURES, REQUEST_USER_ID)
    return requests | {name: np.where(chosen, rows[name][anonymous], requests[name]) for name in columns}
