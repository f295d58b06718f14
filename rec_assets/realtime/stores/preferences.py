"""Updates `top_category` in Feast's online store. Does not define the feature: see `features.top_category`."""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from rec_assets.features.store import online
from rec_assets.features.store.feature_writer import FeatureWriter
from rec_assets.features.store.online_reader import OnlineReader
from rec_assets.features.store.views import ITEM_VIEW, USER_VIEW
from rec_assets.features.top_category import NO_CATEGORY, WINDOW_SECONDS, top_category_as_of
from rec_assets.realtime.events import Event
from rec_assets.realtime.stores.recent_items import Interactions
from rec_assets.realtime.stores.user_activity import Activity, UserActivityStore
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect

Categories = tuple[int, int]  # level 1 and level 2; -1 if the item is unknown
Moment = tuple[int, int]  # user id and unix time
QUERIES = pl.Schema({"user_id": pl.Int32, "timestamp": pl.Int64})
EVENTS = pl.Schema({"user_id": pl.Int32, "timestamp": pl.Int64, "category_l1": pl.Int32})

logger = logging.getLogger(__name__)


class ItemCategories:
    """Categories of items in the online store, cached for a minute."""

    AGE_S = 60.0

    def __init__(self, settings: Settings) -> None:
        self._read_items = OnlineReader(settings, ITEM_VIEW, connect(settings))
        self._known: dict[int, Categories] = {}
        self._since = time.monotonic()

    def of(self, item_ids: Iterable[int]) -> dict[int, Categories]:
        """Returns the categories of items by id; raises errors of Redis."""
        if time.monotonic() - self._since > self.AGE_S:
            self._known, self._since = {}, time.monotonic()
        wanted = set(item_ids)
        missing = np.array(sorted(wanted - self._known.keys()), np.int64)
        if len(missing):
            columns = self._read_items(missing).columns
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
        self._write = FeatureWriter(settings, USER_VIEW, "top_category", NO_CATEGORY)
        self._open()

    def _open(self) -> None:
        self._store = online.open_store(self._settings, online.BULK_TIMEOUT)
        self._categories = ItemCategories(self._settings)
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
        recent = self._history.recent_items.since(starts)
        users, newest, positions = np.unique(recent.user_ids, return_index=True, return_inverse=True)
        as_of = recent.times[newest] + 1
        forgotten_until = np.array([activities[user].forgotten_until for user in users.tolist()], np.int64)
        counting = recent.times > forgotten_until[positions]
        written = list(zip(users.tolist(), as_of.tolist(), strict=True))
        moments = [*written, *(moment for moment in event_moments if moment[0] in starts)]
        computed = self._top_categories(moments, recent.where(counting))
        self._write({user: (at, computed[user, at]) for user, at in written})
        return computed

    def _top_categories(self, moments: Sequence[Moment], interactions: Interactions) -> dict[Moment, int]:
        """Computes `top_category` strictly before each moment."""
        items, positions = np.unique(interactions.item_ids, return_inverse=True)
        categories = self.categories(items.tolist())
        category_l1 = np.array([categories[item][0] for item in items.tolist()], np.int32)[positions]
        columns = dict(zip(EVENTS, (interactions.user_ids, interactions.times, category_l1), strict=True))
        events = pl.LazyFrame(columns).cast(EVENTS).filter(pl.col("category_l1") != NO_CATEGORY)
        queries = pl.LazyFrame(np.array(moments, np.int64).reshape(-1, 2), schema=list(QUERIES)).cast(QUERIES)
        # A store keeps no more interactions of a user than the feature counts.
        answers = top_category_as_of(queries, events, may_be_busy=False).collect()
        users, at, found = (answers[name].to_list() for name in (*QUERIES, "top_category"))
        return dict(zip(zip(users, at, strict=True), found, strict=True))


def _history_starts(user_ids: Iterable[int], event_moments: Iterable[Moment]) -> dict[int, int]:
    """Returns the unix time from which each user's interactions are needed.

    Example: `_history_starts([3, 4], [(3, 100_000), (3, 90_000)])` returns `{3: 90_000 - WINDOW_SECONDS, 4: 0}`. User 3
    needs the window before the first event. User 4 has no new events and needs all recent items.
    """
    first: dict[int, int] = {}
    for user, at in event_moments:
        first[user] = min(at, first.get(user, at))
    return dict.fromkeys(user_ids, 0) | {user: at - WINDOW_SECONDS for user, at in first.items()}
