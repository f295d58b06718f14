"""Histories of requests as flat rows, which signals and candidate sources read."""

from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from rec_assets.common.units import DAY_SECONDS
from rec_assets.features.baskets import SAME_SECOND, basket_starts
from rec_assets.features.history import PADDING_ID, UserHistories

HALF_LIFE_DAYS = 28.0
PRIOR_ROWS = 10.0  # rows at the shop's shares that are added to a user's history

Ids = npt.NDArray[np.integer[Any]]


class Past:
    """The histories of some requests as flat rows.

    Attributes:
        owners: request of each row, ascending, int64 [m].
        item_ids: encoded item of each row, newest first per request [m].
        age: days from each row to its request, float64 [m].
        length: rows of each request, int64 [q].
        weight: weight of each row; it halves every `HALF_LIFE_DAYS`, float64 [m].
    """

    def __init__(self, histories: UserHistories, now: Ids) -> None:
        """Flattens histories [q] of requests at some times, unix seconds [q]."""
        mask = histories.item_ids != PADDING_ID
        self._timestamps = histories.timestamps[mask]
        self.owners, self.item_ids = np.nonzero(mask)[0], histories.item_ids[mask]
        self.length = mask.sum(axis=1)
        self.age = (now[self.owners] - self._timestamps) / DAY_SECONDS
        self.weight = np.exp2(-self.age / HALF_LIFE_DAYS)

    def __len__(self) -> int:
        return len(self.length)

    @cached_property
    def starts(self) -> npt.NDArray[np.bool_]:
        """Returns True for the first row of each basket (`features.baskets`, `SAME_SECOND`), bool [m]."""
        return basket_starts(self.owners, self._timestamps, SAME_SECOND)

    @cached_property
    def splits(self) -> npt.NDArray[np.int64]:
        """Returns begin and end of the rows of each request, int64 [q + 1]."""
        return np.append(0, np.cumsum(self.length))

    def items_below(self, size: int) -> npt.NDArray[np.int32]:
        """Returns `item_ids` for compiled loops, which check no bounds; raises IndexError as `require_below`."""
        require_below(self.item_ids, size)
        return self.item_ids.astype(np.int32, copy=False)


def require_below(item_ids: Ids, size: int) -> None:
    """Raises IndexError if an encoded item [n] is not below `size`."""
    if item_ids.max(initial=0) >= size:
        raise IndexError(f"Item {item_ids.max()} is outside the {size} encoded items.")
