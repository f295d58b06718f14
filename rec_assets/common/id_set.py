"""A set of ids that answers for many ids at once which of them it has."""

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
_SPARSE = 8  # entries of the table for each id, so that most absent ids meet an empty entry


class IdSet:
    """A fixed set of ids.

    Only ids whose last bits are those of a member are searched among the members. A search of all would take several
    times as long.

    Attributes:
        ids: the members, int32, ascending and different.
    """

    def __init__(self, ids: Ids) -> None:
        """Stores the members, in any order."""
        self.ids = np.unique(ids).astype(np.int32)
        size = 1 << (_SPARSE * len(self.ids)).bit_length()
        self._last_bits = np.int32(size - 1)
        self._has_member = np.zeros(size, np.bool_)
        self._has_member[self.ids & self._last_bits] = True

    def has(self, ids: Ids) -> npt.NDArray[np.bool_]:
        """Returns True for the members among ids [n]."""
        found = self._has_member[ids & self._last_bits]
        if len(possible := np.flatnonzero(found)):
            wanted = ids[possible]
            places = np.minimum(np.searchsorted(self.ids, wanted), len(self.ids) - 1)
            found[possible] = self.ids[places] == wanted
        return found
