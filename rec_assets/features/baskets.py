"""Baskets: rows of one user without a longer break. The one definition for signals, lists and their benchmarks."""

from typing import Any

import numpy as np
import numpy.typing as npt

# The signals of the ranker were trained with baskets of one second, as a shop writes the lines of one order.
SAME_SECOND = 0
# The lists also count items of one visit, because a shop may report each click or each item of an order by itself.
VISIT_S = 1_800


def basket_starts(
    users: npt.NDArray[np.integer[Any]], timestamps: npt.NDArray[np.integer[Any]], gap_s: int
) -> npt.NDArray[np.bool_]:
    """Returns True for the first row of each basket, bool [n].

    Args:
        users: user of each row; the rows of a user are adjacent [n].
        timestamps: unix seconds, ascending or descending in the rows of a user [n].
        gap_s: a longer break between two rows, in seconds, starts a new basket: `SAME_SECOND` or `VISIT_S`.
    """
    starts = np.ones(len(timestamps), np.bool_)
    starts[1:] = (np.diff(users) != 0) | (np.abs(np.diff(timestamps)) > gap_s)
    return starts
