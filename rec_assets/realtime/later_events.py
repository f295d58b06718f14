"""Finds a user's events that follow an entry of the stream. Reads each entry of the stream once."""

from collections import defaultdict
from contextlib import suppress

from rec_assets.realtime.events import FORGET_REQUEST, Event, EventError
from rec_assets.realtime.stream import EventStream, event_of
from rec_assets.realtime.work_stream import order_of

MAX_INDEXED = 1_000_000  # entries in memory, about 100 MB


class LaterEvents:
    """The ids of the stream's interactions by user, from the first entry that was asked for to the end.

    A request reads only the entries that were added since the last one. So many requests under a backlog take one pass.
    """

    def __init__(self, stream: EventStream) -> None:
        self._stream = stream
        self._forget("")

    def of(self, user: int, entry_id: str) -> list[Event]:
        """Returns a user's interactions that follow an entry in the stream, whether they are applied or not.

        Leaves out invalid entries: the worker sends them to the dead letters later.

        Example: the stream holds

            1-0  user 3 clicks item 7
            2-0  user 3 sends a forget request
            3-0  user 4 clicks item 9
            4-0  user 3 clicks item 8

        `of(3, "2-0")` returns the click on item 8. So the request forgets item 7 and keeps item 8, even if a worker
        applied 4-0 before 2-0.
        """
        is_covered = self._first and order_of(self._first) <= order_of(entry_id) <= order_of(self._last)
        if not is_covered or self._indexed > MAX_INDEXED:
            self._forget(entry_id)
        self._read_new()
        ids = self._ids[str(user).encode()]
        later = [one for one in ids if order_of(one) > order_of(entry_id)]
        now, events = self._stream.now(), []
        for entry in self._stream.entries(later):
            with suppress(EventError):
                events.append(event_of(entry, now))
        return events

    def _forget(self, entry_id: str) -> None:
        self._first = self._last = entry_id
        self._ids: defaultdict[bytes, list[str]] = defaultdict(list)
        self._indexed = 0

    def _read_new(self) -> None:
        for entry in self._stream.after(self._last):
            self._last = entry.id
            if entry.fields.get(b"kind") != FORGET_REQUEST.encode():
                self._ids[entry.fields.get(b"user_id", b"")].append(entry.id)
                self._indexed += 1
