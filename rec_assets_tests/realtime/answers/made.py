"""Answers as the graph sends them."""

import time

import numpy as np

from rec_assets.realtime.answers.ids import new_ids
from rec_assets.realtime.answers.stream import Answer


def answer_for(user: int, at: int | None = None) -> Answer:
    """Returns an answer with the items 10 and 13 for a user; `at` is in unix milliseconds, now by default."""
    return Answer(
        new_ids(1, at or time.time_ns() // 1_000_000)[0],
        user,
        bundle_id=b"bundle",
        rules_version="",
        device_type=-1,
        timestamp=1_742_040_000,
        sampled=False,
        filters='{"category_l1":[2]}',
        item_ids=np.array([10, 13], np.int32).tobytes(),
        scores=np.array([0.5, 0.25], np.float32).tobytes(),
        inputs=b"inputs",
    )
