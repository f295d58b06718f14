"""Generated retail as a source: catalog, users, independently drawn days, and the oracle ranking."""

from collections.abc import Callable
from datetime import date
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from rec_assets.common.errors import ActionableError
from rec_assets.common.units import DAY_SECONDS, HOUR_SECONDS
from rec_assets.sources.base import Int32s, midnight
from rec_assets.sources.images.found import ImageReport, Progress
from rec_assets.sources.retail.catalog import Catalog, items_frame, make_catalog
from rec_assets.sources.retail.oracle import anonymous_probabilities, best_items, known_probabilities
from rec_assets.sources.retail.parameters import RetailParameters
from rec_assets.sources.retail.people import Float32s, People, make_people, users_frame
from rec_assets.sources.retail.sessions import draw_day
from rec_assets.sources.retail.taste import Taste

CHUNK = 4_000


class RetailSource:
    """A generated shop. Equal parameters give equal bytes."""

    def __init__(self, parameters: RetailParameters | None = None) -> None:
        self.parameters = parameters or RetailParameters()
        # The tables of a day take a few megabytes. Two cached days suffice because requests are processed by day.
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
        """Returns a description of the generated data for messages."""
        return f"generated retail ({name}, seed {self.parameters.seed})"

    def interactions(self, day: date) -> pl.DataFrame:
        """Draws one day; raises ActionableError for a day before the start."""
        index = self.parameters.day_index(day)
        if index < 0:
            raise ActionableError(
                f"Day {day} is before the first day: generated retail starts on {self.parameters.start_date}.",
                "Use a later day, or set REC_START_DATE to an earlier date.",
            )
        return draw_day(self.parameters, self.taste(index), midnight(day))

    def items(self) -> pl.DataFrame:
        """Returns the catalog with titles and descriptions."""
        return items_frame(self.catalog, self.parameters)

    def users(self) -> pl.DataFrame:
        """Returns all users who arrive in the days of history."""
        return users_frame(self.people, self.parameters)

    def write_images(self, folder: Path, progress: Progress | None = None) -> ImageReport:
        """Draws the image of every item."""
        from rec_assets.sources.retail.images import draw_images

        return ImageReport(draw_images(self.catalog, self.parameters.seed, folder))

    def probabilities(
        self, user_ids: npt.ArrayLike, timestamps: npt.ArrayLike, device_types: npt.ArrayLike
    ) -> Float32s:
        """Returns P(first item of the next session | user, time, device), in n x items x 4 bytes of memory.

        Args:
            user_ids: user ids [n]; -1 or an unknown id is an anonymous user (marginal over all users).
            timestamps: unix seconds [n].
            device_types: 0, 1, 2, or -1 for unknown [n].

        Returns:
            float32 [n, items] in the order of item ids 1 … items; rows sum to 1.
        """
        users = np.asarray(user_ids, np.int64) - 1
        seconds, devices = np.asarray(timestamps, np.int64), np.asarray(device_types, np.int64)
        days = (seconds - midnight(self.parameters.start_date)) // DAY_SECONDS
        hours = seconds % DAY_SECONDS // HOUR_SECONDS
        anonymous = (users < 0) | (users >= len(self.people.gender))
        result = np.empty((len(users), self.parameters.items), np.float32)
        for day in np.unique(days):
            taste = self.taste(int(day))
            known = np.flatnonzero((days == day) & ~anonymous)
            result[known] = known_probabilities(taste, users[known], hours[known], devices[known])
            unknown = np.flatnonzero((days == day) & anonymous)
            if len(unknown):
                result[unknown] = anonymous_probabilities(taste, hours[unknown], devices[unknown])
        return result

    def best_ranking(
        self, user_ids: npt.ArrayLike, timestamps: npt.ArrayLike, device_types: npt.ArrayLike, k: int
    ) -> Int32s:
        """Returns the k most probable items of each request, best first, int32 [n, k]; arguments as `probabilities`."""
        users, seconds, devices = (np.asarray(a, np.int64) for a in (user_ids, timestamps, device_types))
        lists = [np.empty((0, min(k, self.parameters.items)), np.int32)]
        order = np.argsort(seconds, kind="stable")  # day by day
        for start in range(0, len(order), CHUNK):
            part = order[start : start + CHUNK]
            probabilities = self.probabilities(users[part], seconds[part], devices[part])
            lists.append(best_items(probabilities, self.catalog.item_ids, k))
        return np.concatenate(lists)[np.argsort(order)]

    def _taste(self, day_index: int) -> Taste:
        return Taste(self.catalog, self.people, day_index)
