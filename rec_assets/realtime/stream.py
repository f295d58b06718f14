"""The stream between those who report events and the workers that apply them; it knows nothing of what they mean."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import redis
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from rec_assets.realtime.events import Event
from rec_assets.settings import Settings
from rec_assets.storage.valkey import Valkey, connect, translate_redis_errors

ALIVE_MS = 3000  # a worker asks for more every second
PAGE = 1000
_POLL_S = 0.005


@dataclass(frozen=True)
class Entry:
    """An entry of the stream: its id, `<milliseconds of receipt>-<number>`, and fields as they came."""

    id: str
    fields: Mapping[bytes, bytes]

    @property
    def received(self) -> int:
        """Time of receipt, in unix seconds of Valkey's clock."""
        return order_of(self.id)[0] // 1000


@dataclass(frozen=True)
class StreamState:
    """Backlog of the stream: entries not taken, taken but not applied, and given up; and the workers that live."""

    waiting: int
    taken: int
    dead: int
    workers: int


def order_of(entry_id: str) -> tuple[int, int]:
    """Returns what entry ids are compared by."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


class EventStream:
    """`events` in db 1, read by the consumer group `workers`; what cannot be applied is kept in `events:dead`.

    An entry is a worker's until it is acknowledged; one that stays silent loses its entries to the others. Nothing is
    dropped before it was acknowledged.
    """

    DB = 1
    KEY, DEAD, GROUP = "events", "events:dead", "workers"
    KEPT_MS = 3_600_000  # how long what was applied can still be looked at
    DEAD_KEPT = 100_000

    def __init__(self, client: Valkey) -> None:
        self._client: Any = client  # half of the stream commands come untyped

    @classmethod
    def connect(cls, settings: Settings) -> "EventStream":
        """Returns the stream in the settings' Valkey; connects at the first use."""
        return cls(connect(settings, cls.DB))

    def send(self, events: Sequence[Event]) -> list[str]:
        """Adds events, all or none, and returns their ids; raises ActionableError where Valkey is away."""
        with translate_redis_errors(self._client), self._client.pipeline(transaction=True) as pipeline:
            for event in events:
                pipeline.xadd(self.KEY, event.fields())
            return [entry_id.decode() for entry_id in pipeline.execute()]

    def open(self) -> None:
        """Makes the group where there is none; it then begins with the oldest entry there is."""
        with suppress(redis.ResponseError):  # it is there
            self._client.xgroup_create(self.KEY, self.GROUP, "0", mkstream=True)

    def take(self, worker: str, count: int, wait_ms: int) -> list[Entry]:
        """Gives a worker at most so many entries that nobody has; waits for the first."""
        return self._read(worker, ">", count, wait_ms)

    def taken_by(self, worker: str, count: int) -> list[Entry]:
        """Returns the oldest entries that a worker took and did not acknowledge."""
        return self._read(worker, "0", count, None)

    def claim_stale(self, worker: str, idle_ms: int, count: int) -> list[Entry]:
        """Gives a worker entries that others took so long ago that they must have died."""
        answer = self._client.xautoclaim(self.KEY, self.GROUP, worker, idle_ms, count=count)
        return [_entry(one) for one in answer[1]]

    def done(self, entries: Sequence[Entry]) -> None:
        """Acknowledges entries that were applied."""
        if entries:
            self._client.xack(self.KEY, self.GROUP, *(entry.id for entry in entries))

    def send_to_dead_letter(self, entry: Entry, reason: str) -> None:
        """Puts an entry that cannot be applied aside, with the reason, and acknowledges it."""
        fields: Any = {**entry.fields, b"entry": entry.id, b"reason": reason}
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.xadd(self.DEAD, fields, maxlen=self.DEAD_KEPT, approximate=True)
            pipeline.xack(self.KEY, self.GROUP, entry.id)
            pipeline.execute()

    def dead(self, count: int) -> list[Entry]:
        """Returns the latest entries that were given up, newest first; `entry` and `reason` are among their fields."""
        return [_entry(one) for one in self._client.xrevrange(self.DEAD, count=count)]

    def after(self, entry_id: str) -> Iterator[Entry]:
        """Yields all entries after one, in order."""
        while page := self._client.xrange(self.KEY, f"({entry_id}", count=PAGE):
            yield from map(_entry, page)
            entry_id = page[-1][0].decode()

    def state(self) -> StreamState:
        """Returns how things stand; raises ActionableError where Valkey is away."""
        with translate_redis_errors(self._client):
            groups = self._client.xinfo_groups(self.KEY) if self._client.exists(self.KEY) else []
            group = next((one for one in groups if one["name"] == self.GROUP.encode()), None)
            dead = self._client.xlen(self.DEAD)
            if group is None:
                return StreamState(self._client.xlen(self.KEY), 0, dead, 0)
            consumers = self._client.xinfo_consumers(self.KEY, self.GROUP)
        alive = sum(one["idle"] < ALIVE_MS for one in consumers)
        waiting = group["lag"]
        if waiting is None:  # Valkey loses count where entries were deleted
            waiting = sum(1 for _ in self.after(group["last-delivered-id"].decode()))
        return StreamState(waiting, group["pending"], dead, alive)

    def wait(self, entry_ids: Sequence[str], seconds: float) -> bool:
        """Waits until workers have applied, or given up, what `send` returned; says whether they did in time."""

        def is_open(_: None = None) -> bool:
            groups = self._client.xinfo_groups(self.KEY)
            group = next((one for one in groups if one["name"] == self.GROUP.encode()), None)
            if group is None or order_of(group["last-delivered-id"].decode()) < order_of(entry_ids[-1]):
                return True
            return bool(self._client.xpending_range(self.KEY, self.GROUP, entry_ids[0], entry_ids[-1], count=1))

        tries = Retrying(
            retry=retry_if_result(bool),
            stop=stop_after_delay(seconds),
            wait=wait_fixed(_POLL_S),
            retry_error_callback=lambda state: True,
        )
        with translate_redis_errors(self._client):
            return not entry_ids or not tries(is_open)

    def tidy(self) -> None:
        """Drops what all have applied an hour ago, and forgets workers that are gone and hold nothing."""
        groups = self._client.xinfo_groups(self.KEY)
        group = next(one for one in groups if one["name"] == self.GROUP.encode())
        seconds, microseconds = self._client.time()
        bounds = [
            (seconds * 1000 + microseconds // 1000 - self.KEPT_MS, 0),
            order_of(group["last-delivered-id"].decode()),
        ]
        if group["pending"]:
            bounds.append(order_of(self._client.xpending(self.KEY, self.GROUP)["min"].decode()))
        self._client.xtrim(self.KEY, minid="{}-{}".format(*min(bounds)), approximate=True)
        for worker in self._client.xinfo_consumers(self.KEY, self.GROUP):
            if worker["idle"] > self.KEPT_MS and not worker["pending"]:
                self._client.xgroup_delconsumer(self.KEY, self.GROUP, worker["name"])

    def _read(self, worker: str, start: str, count: int, wait_ms: int | None) -> list[Entry]:
        answer = self._client.xreadgroup(self.GROUP, worker, {self.KEY: start}, count=count, block=wait_ms)
        return [_entry(one) for _, entries in answer for one in entries]


def _entry(answer: tuple[bytes, Mapping[bytes, bytes] | None]) -> Entry:
    return Entry(answer[0].decode(), answer[1] or {})
