"""Updates `top_category` in Feast's online store. Does not define the feature: see `features.top_category`."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from rec_assets.features.store import online
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import USER_VIEW
from rec_assets.features.top_category import NO_CATEGORY, WINDOW_SECONDS, top_category_as_of
from rec_assets.realtime.events import Event
from rec_assets.realtime.stores.user_activity import Activity, UserActivityStore
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect

if TYPE_CHECKING:
    from feast import FeatureStore

Categories = tuple[int, int]  # level 1 and level 2; -1 if the item is unknown
Moment = tuple[int, int]  # user id and unix time
QUERIES = {"user_id": pl.Int32, "timestamp": pl.Int64}
EVENTS = {**QUERIES, "category_l1": pl.Int32}

logger = logging.getLogger(__name__)


class ItemCategories:
    """Categories of items in the online store, cached for a minute."""

    AGE_S = 60.0

    def __init__(self, store: "FeatureStore") -> None:
        self._store = store
        self._known: dict[int, Categories] = {}
        self._since = time.monotonic()

    def of(self, item_ids: Iterable[int]) -> dict[int, Categories]:
        """Returns the categories of items by id; raises errors of Feast and Redis."""
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
    """Writes `top_category`; any number of writers may run at once.

    The feature is a function of a user's recent items, as of just after the latest one. A writer computes and writes
    it, and repeats both if the recent items changed meanwhile. So the last write includes the last change.
    """

    def __init__(self, settings: Settings, history: UserActivityStore) -> None:
        self._settings = settings
        self._history = history
        self._open()

    def _open(self) -> None:
        self._store = online.open_store(self._settings, online.BULK_TIMEOUT)
        self._users = OnlineReader(self._settings, USER_VIEW, connect(self._settings))
        self._categories = ItemCategories(self._store)
        self._is_applied = True

    def is_there(self) -> bool:
        """Returns whether the feature store has features; reopens an empty store for the next call."""
        try:
            applied = online.is_applied(self._store)
        except FileNotFoundError:
            applied = False
        if not applied:
            if self._is_applied:
                logger.warning("top_category is not updated: the feature store is empty. Materialize feature_store.")
            self._open()
        self._is_applied = applied
        return applied

    def categories(self, item_ids: Iterable[int]) -> dict[int, Categories]:
        """Returns level-1 and level-2 category by item id; -1 for unknown items."""
        return self._categories.of(item_ids)

    def update(
        self, user_ids: Iterable[int], events: Sequence[Event] = (), activities: Mapping[int, Activity] | None = None
    ) -> list[int]:
        """Writes the `top_category` of users whose recent items changed; repeats for users who changed meanwhile.

        Example: user 3 clicked item 7 of category 2 at 09:00:00, which made version 1 of the user's activity.

        - Round 1 computes category 2 from the click and writes it as of 09:00:01. Meanwhile another worker records
          clicks at 08:59:50 on items 8 and 13 of category 3, which makes version 2. So user 3 needs another round.
        - Round 2 computes category 3 from the three clicks and writes it. The version is still 2, so the update ends.

        Args:
            user_ids: users whose recent items changed.
            events: new interactions of these users, recorded already.
            activities: activities of the users, read after the events were recorded; missing ones are read here.

        Returns:
            For each event, the user's `top_category` strictly before it, as computed in the first round.
        """
        event_moments = [(event.user_id, event.at) for event in events]
        starts = _history_starts(user_ids, event_moments)
        before = dict(activities or {})
        computed: dict[Moment, int] = {}
        while starts:
            before |= self._history.activities(starts.keys() - before.keys())
            computed = self._compute_and_write(starts, event_moments, before) | computed
            after = self._history.activities(starts)
            starts = {user: start for user, start in starts.items() if before[user].version != after[user].version}
            before = after
        return [computed[moment] for moment in event_moments]

    def _compute_and_write(
        self, starts: Mapping[int, int], event_moments: Iterable[Moment], activities: Mapping[int, Activity]
    ) -> dict[Moment, int]:
        """Writes `top_category` as of just after each user's latest interaction.

        Args:
            starts: the unix time from which each user's interactions are read; its keys are the users to write.
            event_moments: further moments to compute; those of other users are ignored.
            activities: activities of the users; interactions up to `forgotten_until` do not count.

        Returns:
            The `top_category` strictly before each written or further moment.
        """
        recent = self._history.recent_items.since(starts)  # newest first
        as_of = {user: rows[0][1] + 1 for user, rows in recent.items() if rows}
        moments = {*as_of.items(), *(moment for moment in event_moments if moment[0] in starts)}
        counting = [
            (user, at, item)
            for user, rows in recent.items()
            for item, at in rows
            if at > activities[user].forgotten_until
        ]
        computed = self._top_categories(moments, counting)
        self._write({user: (at, computed[user, at]) for user, at in as_of.items()})
        return computed

    def _top_categories(self, moments: set[Moment], interactions: list[tuple[int, int, int]]) -> dict[Moment, int]:
        """Computes `top_category` strictly before each moment from interactions (user id, unix time, item id)."""
        categories = self.categories({item for _, _, item in interactions})
        level_1 = [(user, at, categories[item][0]) for user, at, item in interactions]
        known = [row for row in level_1 if row[2] != NO_CATEGORY]
        queries = pl.LazyFrame(sorted(moments), schema=QUERIES, orient="row")
        events = pl.LazyFrame(known, schema=EVENTS, orient="row")
        answers = top_category_as_of(queries, events, may_be_busy=False).collect()  # a store has no more
        users, times, found = (answers[name].to_list() for name in (*QUERIES, "top_category"))
        return dict(zip(zip(users, times, strict=True), found, strict=True))

    def _write(self, top_categories: Mapping[int, tuple[int, int]]) -> None:
        """Writes values that differ from the stored ones; other columns of a user's row stay.

        Args:
            top_categories: as-of unix time and category by user id.
        """
        if not top_categories:
            return
        users = np.array(list(top_categories), np.int64)
        as_of, categories = (np.array(column, np.int64) for column in zip(*top_categories.values(), strict=True))
        rows, written = self._users.with_times(users)
        new = rows.columns["top_category"] != categories
        if not new.any():
            return
        columns = {name: values[new] for name, values in rows.columns.items()}
        columns["top_category"] = categories[new].astype(np.int32)
        # Feast ignores a row that is not newer by a second. So several changes within a second get later times.
        times = np.maximum(as_of, written + 1)[new]
        online.write_users(self._store, users[new], columns, times)


def _history_starts(user_ids: Iterable[int], event_moments: Iterable[Moment]) -> dict[int, int]:
    """Returns the unix time from which each user's interactions are needed.

    Example: `_history_starts([3, 4], [(3, 100_000), (3, 90_000)])` returns `{3: 90_000 - WINDOW_SECONDS, 4: 0}`. User 3
    needs the window before the first event. User 4 has no new events and needs all recent items.
    """
    first: dict[int, int] = {}
    for user, at in event_moments:
        first[user] = min(at, first.get(user, at))
    return dict.fromkeys(user_ids, 0) | {user: at - WINDOW_SECONDS for user, at in first.items()}
