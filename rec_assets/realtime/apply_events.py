"""Applies events: to history, seen filter, `top_category`, popularity and the offline log.

Applying an event again changes nothing, and so does applying events in another order: each write is computed from what
is there, and what a user wants forgotten is what the stream took before his wish.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import polars as pl

from rec_assets.features.top_category import NO_CATEGORY
from rec_assets.realtime.behavior_log import SCHEMA, BehaviorLog
from rec_assets.realtime.events import FORGET_REQUEST, Event, EventError
from rec_assets.realtime.preferences import TopCategoryWriter
from rec_assets.realtime.stream import Entry, EventStream, order_of
from rec_assets.realtime.trending import Counted, Trending
from rec_assets.realtime.user_activity import UserActivityStore
from rec_assets.settings import Settings


@dataclass(frozen=True)
class Received:
    """An event, and the stream entry that it came in."""

    entry_id: str
    event: Event

    @classmethod
    def of(cls, entry: Entry) -> "Received":
        """Reads an entry; raises EventError.

        Nothing happens after it was told: of a client whose clock is ahead the time of receipt counts.
        """
        event = Event.parse(entry.fields)
        return cls(entry.id, event.model_copy(update={"at": min(event.at, entry.received)}))


class Updates:
    """The writes of one worker."""

    def __init__(self, settings: Settings, stream: EventStream, worker: str) -> None:
        """Takes the stream that events come from, and the name under which the worker writes its log."""
        self._stream = stream
        self._history = UserActivityStore.connect(settings)
        self._preferences = TopCategoryWriter(settings, self._history)
        self._trending = Trending.connect(settings)
        self._log = BehaviorLog.of(settings, worker)

    def apply(self, received: Sequence[Received]) -> None:
        """Applies events in the order they came in; raises what Redis, Feast and the disk raise."""
        for wish, group in groupby(received, lambda one: one.event.kind == FORGET_REQUEST):
            if wish:
                for one in group:
                    self._grant(one)
            else:
                self._learn(list(group))

    def _learn(self, received: Sequence[Received]) -> None:
        """Makes known what users chose; the log comes last, for it grows with every attempt."""
        events = [one.event for one in received]
        activities = self._history.record_all(events)
        # Told before the user's wish to forget, and only applied after it: it is forgotten, too.
        late = [one.event for one in received if _is_forgotten(one, activities[one.event.user_id].forget_request)]
        for user in {event.user_id for event in late}:
            last = max(event.at for event in late if event.user_id == user)
            self._forget(user, activities[user].forget_request, max(last, activities[user].forgotten_until))
            activities.pop(user)
        top_categories = [NO_CATEGORY] * len(events)
        if self._preferences.is_there():
            top_categories = self._preferences.update({event.user_id for event in events}, events, activities)
            self._count(events)
        self._write_down(events, top_categories)

    def _grant(self, wish: Received) -> None:
        """Forgets what a user has seen, and his taste of the day, up to his wish; what he did after it stays."""
        user, entry_id = wish.event.user_id, wish.entry_id
        known = self._history.activities([user])[user]
        if known.forget_request and order_of(known.forget_request) > order_of(entry_id):
            return
        if known.forget_request == entry_id:
            last = known.forgotten_until
        else:
            later = {(event.item_id, event.at) for event in self._events_after(entry_id, user)}
            rows = self._history.recent_items.latest(user)
            last = next((at for item, at in rows if (item, at) not in later), known.forgotten_until)
        self._forget(user, entry_id, last)
        if self._preferences.is_there():
            self._preferences.update([user])

    def _forget(self, user: int, entry_id: str, last: int) -> None:
        self._history.forget(user, entry_id, last)
        self._history.record_all(self._events_after(entry_id, user))

    def _events_after(self, entry_id: str, user: int) -> list[Event]:
        """Returns what a user chose after an entry; another worker may have applied it already."""
        events = []
        for entry in self._stream.after(entry_id):
            if (
                entry.fields.get(b"user_id") == str(user).encode()
                and entry.fields.get(b"kind") != FORGET_REQUEST.encode()
            ):
                try:
                    events.append(Received.of(entry).event)
                except EventError:
                    continue  # its turn will come
        return events

    def _count(self, events: Sequence[Event]) -> None:
        """Counts as the batch does: what is in the catalog."""
        categories = self._preferences.categories({event.item_id or 0 for event in events})
        known = [(event, *categories[event.item_id or 0]) for event in events]
        self._trending.count(Counted(event, l1, l2) for event, l1, l2 in known if l1 != NO_CATEGORY)

    def _write_down(self, events: Sequence[Event], top_categories: Sequence[int]) -> None:
        rows = [
            (event.user_id, event.item_id, event.device_type, event.at, event.kind, top_category)
            for event, top_category in zip(events, top_categories, strict=True)
        ]
        self._log.append(pl.DataFrame(rows, schema=SCHEMA, orient="row"))


def _is_forgotten(one: Received, flushed: str) -> bool:
    return bool(flushed) and order_of(one.entry_id) < order_of(flushed)
