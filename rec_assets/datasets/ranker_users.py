"""Users of the ranker: the two towers are never trained on their rows.

A tower scores the rows it was trained on too well; a ranker that learns from such scores trusts them too much, and its
list falls below plain repetition. The towers know users by their histories alone, so users they never saw are no worse.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

RANKER_SHARE = 4  # every fourth user
_MIX = 2_654_435_761  # Knuth's multiplicative hash: ids that follow a pattern spread all the same


def trains_ranker(user_ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """Tells of raw user ids [n] whether they belong to the ranker; strangers (-1) do not."""
    mixed = user_ids.astype(np.uint64) * np.uint64(_MIX) % np.uint64(1 << 32) >> np.uint64(16)
    return (mixed % np.uint64(RANKER_SHARE) == 0) & (user_ids >= 0)
