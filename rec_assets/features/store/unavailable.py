"""Items that no list may show, in Valkey. The catalog update writes them; serving and trending read them."""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

from rec_assets.storage.keys import UNAVAILABLE_ITEMS
from rec_assets.storage.valkey import Valkey, command, translate_redis_errors

TOKEN = 16  # bytes of the digest before the ids

Ids = npt.NDArray[np.int32]


class UnavailableItems:
    """One value: a digest of the ids, then the ids, int32 ascending. Readers ask for the digest until it changes."""

    def __init__(self, client: Valkey) -> None:
        self._client = client

    def replace(self, item_ids: Iterable[int]) -> None:
        """Writes the items; raises ActionableError if Valkey does not answer."""
        ids = np.array(sorted(item_ids), "<i4").tobytes()
        with translate_redis_errors(self._client):
            self._client.set(UNAVAILABLE_ITEMS, blake2b(ids, digest_size=TOKEN).digest() + ids)

    def version(self) -> bytes | None:
        """Returns the digest, None before the first write; raises RedisError."""
        return command(self._client, "GETRANGE", UNAVAILABLE_ITEMS, 0, TOKEN - 1) or None

    def items(self) -> Ids:
        """Returns the ids, ascending; raises RedisError."""
        return np.frombuffer(self._client.get(UNAVAILABLE_ITEMS) or b"", "<i4").astype(np.int32)[TOKEN // 4 :]


def is_among(items: Ids, unavailable: Ids) -> npt.NDArray[np.bool_]:
    """Returns True for items [N] that are among ascending ids [U]."""
    if not len(unavailable):
        return np.zeros(len(items), np.bool_)
    positions = np.minimum(np.searchsorted(unavailable, items), len(unavailable) - 1)
    return unavailable[positions] == items
