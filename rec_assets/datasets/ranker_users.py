"""Users of the ranker in a fine-tune: the query tower is not trained on the rows of these users.

A tower scores its own training rows too high. A ranker trained on such scores relies on them too much, and its lists
get worse than plain repetition. The towers have no user ids as input, so users without training rows get equally good
scores. A full training keeps the two apart by time (`datasets.ranking_window`).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

RANKER_SHARE = 4  # every fourth user
_MIX = 2_654_435_761  # Knuth's multiplicative hash: also spreads ids that follow a pattern


def trains_ranker(user_ids: npt.NDArray[np.integer[Any]]) -> npt.NDArray[np.bool_]:
    """Returns True for raw user ids [n] that belong to the ranker; anonymous users (-1) do not."""
    mixed = user_ids.astype(np.uint64) * np.uint64(_MIX) % np.uint64(1 << 32) >> np.uint64(16)
    return (mixed % np.uint64(RANKER_SHARE) == 0) & (user_ids >= 0)
