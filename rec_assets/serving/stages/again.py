"""The items that a user is due to buy again, from the stored history and the tables of a bundle."""

import time
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from rec_assets.bundles.bundle import Bundle
from rec_assets.datasets.related.again import BuyAgain
from rec_assets.features.history import Ids, Times
from rec_assets.inference.lookups import Lookups
from rec_assets.realtime.recent_items import NO_ITEM, RecentItems
from rec_assets.serving.graph.errors import RequestError
from rec_assets.serving.graph.request import NOW, UNKNOWN
from rec_assets.serving.stages.base import StoreGuard
from rec_assets.serving.stages.circuit_breaker import valkey_breaker
from rec_assets.serving.tables.memory_mapped import again_tables
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect_for_requests

ReadHistories = Callable[[npt.NDArray[np.int32]], tuple[Ids, Times]]

NO_REPEATS = "The users of this shop rarely buy an item again."
CLICKS = "Stored histories also have clicks, which do not teach in this shop (REC_CLICKS_TEACH=false)."
NO_HISTORY = "The user has no stored history of items that the live bundle knows."
NO_STORE = "The recent items are unavailable."


class DueItems:
    """Reads one user's history and returns the items that are due."""

    def __init__(
        self,
        tables: BuyAgain | None,
        lookups: Lookups,
        read: ReadHistories,
        guard: StoreGuard,
        bundle_id: str,
        why: str,
    ) -> None:
        """Creates the reader.

        Args:
            tables: tables of the bundle, None for a bundle of an earlier release.
            lookups: lookups of the bundle.
            read: returns the histories of users, newest first.
            guard: guard of `read`.
            bundle_id: id of the bundle, for errors.
            why: reason why this shop has no such lists; an empty text if it has.
        """
        self._tables = tables
        self._lookups = lookups
        self._read = read
        self._guard = guard
        self._bundle_id = bundle_id
        self._why = why

    @classmethod
    def load(cls, bundle: Bundle, settings: Settings, guard: StoreGuard) -> "DueItems":
        """Maps the tables; Valkey may be unavailable."""
        tables = again_tables(bundle)
        repeats = bundle.manifest.config.repeats and (tables is None or tables.has_repeats)
        why = NO_REPEATS if not repeats else "" if settings.clicks_teach else CLICKS
        recent = RecentItems(connect_for_requests(settings))
        return cls(tables, bundle.lookups, recent.histories, guard, bundle.bundle_id, why)

    def __call__(self, user_id: int, timestamp: int) -> tuple[Ids, npt.NDArray[np.float64], str]:
        """Returns raw items int32 [n] and probabilities [n], best first, and the reason if there are none.

        Raises RequestError for a bundle of an earlier release.
        """
        if self._tables is None:
            raise RequestError(f"bundle {self._bundle_id} has no tables of buy again, promote a newer bundle")
        found = None if self._why or user_id == UNKNOWN else self._history(user_id)
        if found is None:
            return np.empty(0, np.int32), np.empty(0), self._why or (NO_STORE if self._guard.is_away else NO_HISTORY)
        now = int(time.time()) if timestamp == NOW else timestamp
        codes, scores = self._tables.due(self._lookups.encode("item_id", found[0]), found[1], now)
        return self._lookups.decode("item_id", codes), scores, "" if len(codes) else NO_HISTORY

    def _history(self, user_id: int) -> tuple[Ids, Times] | None:
        """Returns known items and times of a user; None if Valkey is unavailable."""
        read = self._guard.call(lambda: self._read(np.array([user_id], np.int32)))
        if read is None:
            return None
        items, times = read[0][0], read[1][0]
        known = (items != NO_ITEM) & self._lookups.is_known("item_id", items)
        return items[known], times[known]


def history_guard(settings: Settings) -> StoreGuard:
    """Returns the guard of the histories."""
    consequence = "The recent items are unavailable, so lists of buy again are empty"
    return StoreGuard("recent_items", consequence, valkey_breaker(settings))
