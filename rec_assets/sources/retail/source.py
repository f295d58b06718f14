"""Generated retail as a source: the catalog and the people once, any day on its own, and the ideal list."""

from collections.abc import Callable
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.common.errors import ActionableError
from rec_assets.sources.base import DAY_SECONDS, Int32s, midnight
from rec_assets.sources.retail.catalog import Catalog, items_frame, make_catalog
from rec_assets.sources.retail.oracle import anonymous_probabilities, best_items, known_probabilities
from rec_assets.sources.retail.parameters import RetailParameters
from rec_assets.sources.retail.people import Float32s, People, make_people, users_frame
from rec_assets.sources.retail.sessions import draw_day
from rec_assets.sources.retail.taste import Taste

CHUNK = 4_000


class RetailSource:
    """A shop with a memory: same parameters, same bytes."""

    def __init__(self, parameters: RetailParameters | None = None) -> None:
        self.parameters = parameters or RetailParameters()
        # One day's tables are a few megabytes, and requests come day by day.
        self.taste: Callable[[int], Taste] = lru_cache(maxsize=2)(self._taste)

    @cached_property
    def catalog(self) -> Catalog:
        """All items of all days."""
        return make_catalog(self.parameters)

    @cached_property
    def people(self) -> People:
        """All users of all days."""
        return make_people(self.parameters, self.catalog)

    def location(self, name: str) -> str:
        """Names the draw in messages."""
        return f"generated retail ({name}, seed {self.parameters.seed})"

    def interactions(self, day: date) -> pl.DataFrame:
        """Draws one day; raises ActionableError for a day before the start."""
        index = self.parameters.day_index(day)
        if index < 0:
            raise ActionableError(
                f"Generated retail starts on {self.parameters.start_date}; there is no {day}.",
                "Ask for a later day, or set REC_START_DATE.",
            )
        return draw_day(self.parameters, self.taste(index), midnight(day))

    def items(self) -> pl.DataFrame:
        """The catalog in words."""
        return items_frame(self.catalog, self.parameters)

    def users(self) -> pl.DataFrame:
        """Everybody who arrives in the days of history."""
        return users_frame(self.people, self.parameters)

    def write_pictures(self, folder: Path) -> int:
        """Draws every item's picture."""
        from rec_assets.sources.retail.pictures import draw_pictures

        return draw_pictures(self.catalog, self.parameters.seed, folder)

    def probabilities(
        self, user_ids: npt.ArrayLike, timestamps: npt.ArrayLike, device_types: npt.ArrayLike
    ) -> Float32s:
        """P(the next session's first item | user, time, device); memory is n times items times 4 bytes.

        Args:
            user_ids: known ids, or -1 for an anonymous visitor (marginal over the people) [n].
            timestamps: unix seconds [n].
            device_types: 0, 1, 2, or -1 for unknown [n].

        Returns:
            float32 [n, items] in the order of item ids 1 … items; rows sum to 1.
        """
        users = np.asarray(user_ids, np.int64) - 1
        seconds, devices = np.asarray(timestamps, np.int64), np.asarray(device_types, np.int64)
        days = (seconds - midnight(self.parameters.start_date)) // DAY_SECONDS
        hours = seconds % DAY_SECONDS // 3_600
        strangers = (users < 0) | (users >= len(self.people.gender))
        result = np.empty((len(users), self.parameters.items), np.float32)
        for day in np.unique(days):
            taste = self.taste(int(day))
            known = np.flatnonzero((days == day) & ~strangers)
            result[known] = known_probabilities(taste, users[known], hours[known], devices[known])
            unknown = np.flatnonzero((days == day) & strangers)
            if len(unknown):
                result[unknown] = anonymous_probabilities(taste, hours[unknown], devices[unknown])
        return result

    def best_ranking(
        self, user_ids: npt.ArrayLike, timestamps: npt.ArrayLike, device_types: npt.ArrayLike, k: int
    ) -> Int32s:
        """The k most probable items of each request, best first, int32 [n, k]; arguments as for `probabilities`."""
        users, seconds, devices = (np.asarray(a, np.int64) for a in (user_ids, timestamps, device_types))
        lists = [np.empty((0, min(k, self.parameters.items)), np.int32)]
        order = np.argsort(seconds, kind="stable")  # day by day
        for start in range(0, len(order), CHUNK):
            part = order[start : start + CHUNK]
            likely = self.probabilities(users[part], seconds[part], devices[part])
            lists.append(best_items(likely, self.catalog.item_ids, k))
        return np.concatenate(lists)[np.argsort(order)]

    def _taste(self, day_index: int) -> Taste:
        return Taste(self.catalog, self.people, day_index)
