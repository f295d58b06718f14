"""Keeps `top_category` in Feast's online store up to date; what it is says `features.top_category`."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rec_assets.features.store import online
from rec_assets.features.top_category import NO_CATEGORY, WINDOW_SECONDS, top_category_as_of
from rec_assets.realtime.events import Event
from rec_assets.realtime.user_activity import Activity, UserActivityStore
from rec_assets.settings import Settings

if TYPE_CHECKING:
    from feast import FeatureStore

Categories = tuple[int, int]  # level 1 and level 2, -1 where the item is unknown
Moment = tuple[int, int]  # a user and a unix time
QUERIES = {"user_id": pl.Int32, "timestamp": pl.Int64}
EVENTS = {**QUERIES, "category_l1": pl.Int32}

logger = logging.getLogger(__name__)


class ItemCategories:
    """Looks up the categories of items in the online store, and caches them for a minute."""

    AGE_S = 60.0

    def __init__(self, store: "FeatureStore") -> None:
        self._store = store
        self._known: dict[int, Categories] = {}
        self._since = time.monotonic()

    def of(self, item_ids: Iterable[int]) -> dict[int, Categories]:
        """Returns the categories of items by id; raises what Feast and Redis raise."""
        if time.monotonic() - self._since > self.AGE_S:
            self._known, self._since = {}, time.monotonic()
        wanted = set(item_ids)
        missing = np.array(sorted(wanted - self._known.keys()), np.int64)
        if len(missing):
            columns = online.read_items(self._store, missing).columns
            pairs = zip(columns["category_l1"].tolist(), columns["category_l2"].tolist(), strict=True)
            self._known |= zip(missing.tolist(), pairs, strict=True)
        return {item: self._known[item] for item in wanted}


class TopCategoryWriter:
    """The writer of `top_category`; any number of them may write at once.

    The feature is a function of a user's recent items, as of just after the latest of them. Whoever changed them
    computes it and looks afterwards whether they changed again: so the last to write has seen the last change.
    """

    def __init__(self, settings: Settings, history: UserActivityStore) -> None:
        self._settings = settings
        self._history = history
        self._open()

    def _open(self) -> None:
        self._store = online.open_store(self._settings, online.BULK_TIMEOUT)
        self._categories = ItemCategories(self._store)
        self._is_applied = True

    def is_there(self) -> bool:
        """Returns whether there is a feature store to write to; looks again where there was none."""
        try:
            applied = online.is_applied(self._store)
        except FileNotFoundError:
            applied = False
        if not applied:
            if self._is_applied:
                logger.warning("No features are applied yet (materialize feature_store): top_category is not kept")
            self._open()
        self._is_applied = applied
        return applied

    def categories(self, item_ids: Iterable[int]) -> dict[int, Categories]:
        """Returns level-1 and level-2 category of items, -1 where nothing is known."""
        return self._categories.of(item_ids)

    def update(
        self, user_ids: Iterable[int], events: Sequence[Event] = (), known: Mapping[int, Activity] | None = None
    ) -> list[int]:
        """Makes the online store hold the `top_category` of users whose recent items changed.

        Args:
            user_ids: who.
            events: doings of theirs that are recorded already.
            known: activities that were read since they were recorded; the others are read.

        Returns:
            The `top_category` as of each event, strictly before it.
        """
        asked = [(event.user_id, event.at) for event in events]
        starts: dict[int, int] = {}
        for user, at in asked:
            starts[user] = min(starts.get(user, at), at - WINDOW_SECONDS)
        starts = dict.fromkeys(user_ids, 0) | starts  # of who did nothing new, all
        found: dict[Moment, int] = {}
        before = dict(known or {})
        while starts:
            before |= self._history.activities(starts.keys() - before.keys())
            chosen = self._history.recent_items.since(starts)
            latest = {user: rows[0][1] + 1 for user, rows in chosen.items() if rows}
            floors = {user: before[user].forgotten_until for user in starts}
            answers = self._answers({*latest.items(), *(one for one in asked if one[0] in starts)}, chosen, floors)
            self._write({user: (at, answers[user, at]) for user, at in latest.items()})
            found = answers | found
            after = self._history.activities(starts)
            starts = {user: start for user, start in starts.items() if before[user].version != after[user].version}
            before = after
        return [found[moment] for moment in asked]

    def _answers(
        self, moments: set[Moment], chosen: Mapping[int, list[tuple[int, int]]], floors: Mapping[int, int]
    ) -> dict[Moment, int]:
        """Returns the `top_category` of users as of moments, strictly before each."""
        rows = [(user, at, item) for user, mine in chosen.items() for item, at in mine if at > floors[user]]
        categories = self.categories({item for _, _, item in rows})
        known = [(user, at, categories[item][0]) for user, at, item in rows if categories[item][0] != NO_CATEGORY]
        queries = pl.LazyFrame(sorted(moments), schema=QUERIES, orient="row")
        answers = top_category_as_of(queries, pl.LazyFrame(known, schema=EVENTS, orient="row")).collect()
        return {(user, at): category for user, at, category in answers.iter_rows()}

    def _write(self, wanted: Mapping[int, tuple[int, int]]) -> None:
        """Writes what the store has otherwise, by user: as of when, and which category. All else of a row stays."""
        if not wanted:
            return
        users = np.array(list(wanted), np.int64)
        as_of, categories = (np.array(column, np.int64) for column in zip(*wanted.values(), strict=True))
        rows, written = online.read_users_with_times(self._store, users)
        new = rows.columns["top_category"] != categories
        if not new.any():
            return
        columns = {name: values[new] for name, values in rows.columns.items()}
        columns["top_category"] = categories[new].astype(np.int32)
        # Feast keeps a row that is as old, to the second: more than one change a second move ahead of the clock.
        times = np.maximum(as_of, written + 1)[new]
        online.write_users(self._store, users[new], columns, times)
