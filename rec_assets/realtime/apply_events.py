"""Applies events to user history, seen filter, `top_category`, popularity and the offline log.

Duplicate events and another order of events lead to the same state, because each write is computed from the stored
state. A forget request concerns the events before it in the stream, even if they are applied after it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby

import polars as pl

from rec_assets.features.top_category import NO_CATEGORY
from rec_assets.realtime.behavior_log import SCHEMA
from rec_assets.realtime.events import FORGET_REQUEST, Event
from rec_assets.realtime.later_events import LaterEvents
from rec_assets.realtime.open_log import open_log
from rec_assets.realtime.preferences import TopCategoryWriter
from rec_assets.realtime.retired_users import RetiredUsers
from rec_assets.realtime.stream import EventStream, event_of
from rec_assets.realtime.trending import Counted, Trending
from rec_assets.realtime.user_activity import UserActivityStore
from rec_assets.realtime.work_stream import Entry, order_of
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect


@dataclass(frozen=True)
class Received:
    """An event and the id of its stream entry."""

    entry_id: str
    event: Event

    @classmethod
    def of(cls, entry: Entry, now: int) -> "Received":
        """Reads an entry; `now` is as in `event_of`, which raises EventError."""
        return cls(entry.id, event_of(entry, now))


class Updates:
    """The writes of one worker."""

    def __init__(self, settings: Settings, stream: EventStream, worker: str) -> None:
        """Connects to the stores.

        Args:
            settings: addresses of the servers, and the home of the log.
            stream: the stream that delivers the events.
            worker: name of the worker's files in the log.

        The attribute `log` is the offline log, which the caller makes durable by `write`.
        """
        self._later_events = LaterEvents(stream)
        self._history = UserActivityStore.connect(settings)
        self._stream = stream
        self._retired = RetiredUsers(connect(settings))
        self._top_category = TopCategoryWriter(settings, self._history)
        self._trending = Trending.connect(settings)
        self.log = open_log(settings, worker)
        self._clicks_teach = settings.clicks_teach

    def apply(self, received: Sequence[Received], progress: Callable[[], None] = lambda: None) -> None:
        """Applies events in the order of the stream; raises errors of Redis, Feast and the disk.

        Deletes events of people who were deleted.

        Args:
            received: the events.
            progress: called after every forget request and every run of interactions.
        """
        retired = self._retired.among(one.event.user_id for one in received)
        if retired:
            self._stream.delete([Entry(one.entry_id, {}) for one in received if one.event.user_id in retired])
            received = [one for one in received if one.event.user_id not in retired]
        for is_forget_request, group in groupby(received, lambda one: one.event.kind == FORGET_REQUEST):
            if is_forget_request:
                for request in group:
                    self._apply_forget_request(request)
                    progress()
            else:
                self._apply_interactions(list(group))
                progress()

    def _apply_interactions(self, received: Sequence[Received]) -> None:
        """Applies interactions; writes the log last, because it grows with every attempt."""
        events = [one.event for one in received]
        activities = self._history.record_all(events)
        # Interactions before a forget request in the stream, applied after it: they are forgotten, too.
        late = [one.event for one in received if _is_forgotten(one, activities[one.event.user_id].forget_request)]
        for user in {event.user_id for event in late}:
            last = max(event.at for event in late if event.user_id == user)
            self._forget(user, activities[user].forget_request, max(last, activities[user].forgotten_until))
            activities.pop(user)
        top_categories = [NO_CATEGORY] * len(events)
        if self._top_category.is_there():
            top_categories = self._top_category.update({event.user_id for event in events}, events, activities)
            self._count(events)
        self._append_to_log(events, top_categories)

    def _apply_forget_request(self, request: Received) -> None:
        """Empties a user's seen filter and `top_category`; interactions after the request stay in both."""
        user, entry_id = request.event.user_id, request.entry_id
        activity = self._history.activities([user])[user]
        if activity.forget_request and order_of(activity.forget_request) > order_of(entry_id):
            return  # a later request is already applied
        if activity.forget_request == entry_id:  # applied before, and delivered again
            last = activity.forgotten_until
        else:
            later = {(event.item_id, event.at) for event in self._later_events.of(user, entry_id)}
            rows = self._history.recent_items.latest(user)
            last = next((at for item, at in rows if (item, at) not in later), activity.forgotten_until)
        self._forget(user, entry_id, last)
        if self._top_category.is_there():
            self._top_category.update([user])

    def _forget(self, user: int, entry_id: str, last: int) -> None:
        self._history.forget(user, entry_id, last)
        self._history.record_all(self._later_events.of(user, entry_id))

    def _count(self, events: Sequence[Event]) -> None:
        """Counts events that teach, of items in the catalog, as the batch does."""
        events = [event for event in events if self._clicks_teach or event.kind != "clicked"]
        categories = self._top_category.categories({event.item_id or 0 for event in events})
        rows = [(event, *categories[event.item_id or 0]) for event in events]
        self._trending.count(Counted(event, l1, l2) for event, l1, l2 in rows if l1 != NO_CATEGORY)

    def _append_to_log(self, events: Sequence[Event], top_categories: Sequence[int]) -> None:
        rows = [
            (event.user_id, event.item_id, event.device_type, event.at, event.kind, top_category)
            for event, top_category in zip(events, top_categories, strict=True)
        ]
        self.log.append(pl.DataFrame(rows, schema=SCHEMA, orient="row"))


def _is_forgotten(one: Received, forget_request: str) -> bool:
    return bool(forget_request) and order_of(one.entry_id) < order_of(forget_request)
