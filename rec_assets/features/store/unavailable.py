"""Items that no list may show, in Valkey. The catalog update writes them; serving and trending read them."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from rec_assets.storage.valkey.client import Valkey
from rec_assets.storage.valkey.keys import UNAVAILABLE_ITEMS
from rec_assets.storage.valkey.versioned_value import VersionedValue

Ids = npt.NDArray[np.int32]


class UnavailableItems:
    """The ids, int32 ascending, as one value of Valkey."""

    def __init__(self, client: Valkey) -> None:
        self._value = VersionedValue(client, UNAVAILABLE_ITEMS)

    def replace(self, item_ids: Iterable[int]) -> None:
        """Writes the items; raises ActionableError if Valkey does not answer."""
        self._value.replace(np.array(sorted(item_ids), "<i4").tobytes())

    def version(self) -> bytes | None:
        """Returns the version, None before the first write; raises RedisError."""
        return self._value.version()

    def items(self) -> Ids:
        """Returns the ids, ascending; raises RedisError."""
        return np.frombuffer(self._value.content(), "<i4").astype(np.int32)
