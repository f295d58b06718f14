"""The stream that carries events from clients to workers. Does not interpret them."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from rec_assets.realtime.events import Event
from rec_assets.realtime.work_stream import Entry, StreamState, WorkStream, entry_of, of_users
from rec_assets.storage.valkey.client import transaction, translate_redis_errors, valkey_span
from rec_assets.storage.valkey.keys import DEAD_LETTERS, EVENTS


def event_of(entry: Entry, now: int) -> Event:
    """Reads the event of an entry; raises EventError.

    An event after its time of receipt comes from a client whose clock is ahead, and gets the time of receipt. After
    Valkey's own clock was ahead, ids stay ahead of it; then `now` counts as the time of receipt.

    Args:
        entry: an entry of `EventStream`.
        now: unix time in seconds, by Valkey's clock.
    """
    event = Event.parse(entry.fields)
    at = min(event.at, entry.received, now)
    return event if at == event.at else event.model_copy(update={"at": at})


class EventStream(WorkStream):
    """Stream `events`; `{events}:dead` holds dead letters. No entry is deleted before it was acknowledged.

    Both are in one slot, so one node of a cluster holds all events.
    """

    KEY, DEAD = EVENTS, DEAD_LETTERS
    DEAD_KEPT = 100_000

    def send(self, events: Sequence[Event]) -> list[str]:
        """Adds all events or none, and returns their entry ids; raises ActionableError if Valkey does not answer."""
        with translate_redis_errors(self._client), transaction(self._client, self.KEY) as pipeline:
            for event in events:
                pipeline.xadd(self.KEY, event.fields())
            with valkey_span("events"):
                return [entry_id.decode() for entry_id in pipeline.execute()]

    def entries(self, entry_ids: Sequence[str]) -> list[Entry]:
        """Returns the entries with these ids, in one round trip; leaves out deleted ones."""
        with self._client.pipeline(transaction=False) as pipeline:
            for entry_id in entry_ids:
                pipeline.xrange(self.KEY, entry_id, entry_id)
            return [entry_of(one) for found in pipeline.execute() for one in found]

    def send_to_dead_letter(self, entry: Entry, reason: str) -> None:
        """Copies an entry that cannot be applied to the dead letters, with the reason, and acknowledges it."""
        fields: Any = {**entry.fields, b"entry": entry.id, b"reason": reason}
        with transaction(self._client, self.KEY) as pipeline:
            pipeline.xadd(self.DEAD, fields, maxlen=self.DEAD_KEPT, approximate=True)
            pipeline.xack(self.KEY, self.GROUP, entry.id)
            pipeline.execute()

    def dead(self, count: int) -> list[Entry]:
        """Returns the latest dead letters, newest first; the fields `entry` and `reason` hold old id and reason."""
        return [entry_of(one) for one in self._client.xrevrange(self.DEAD, count=count)]

    def dead_letters_of(self, users: Collection[str]) -> list[Entry]:
        """Returns the dead letters whose user_id is one of these texts; reads all of them."""
        return list(of_users(self._pages(self.DEAD, "-"), users))

    def delete_dead_letters(self, entries: Sequence[Entry]) -> None:
        """Deletes dead letters."""
        if entries:
            self._client.xdel(self.DEAD, *(entry.id for entry in entries))

    def state(self) -> StreamState:
        """Returns backlog and workers; raises ActionableError if Valkey does not answer."""
        with translate_redis_errors(self._client):
            dead = self._client.xlen(self.DEAD)
        return replace(super().state(), dead=dead)
