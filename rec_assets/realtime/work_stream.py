"""A Valkey stream whose entries belong to the worker that took them until the worker acknowledges them."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import redis
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import Valkey, connect, node_of, translate_redis_errors

AHEAD_MS = 60_000  # clocks of a failed-over Valkey differ by less
ALIVE_MS = 3000  # a live worker reads every second
PAGE = 1000
_POLL_S = 0.005


@dataclass(frozen=True)
class Entry:
    """An entry of a stream.

    Attributes:
        id: `<milliseconds of receipt>-<number>`.
        fields: unvalidated fields.
    """

    id: str
    fields: Mapping[bytes, bytes]

    @property
    def received(self) -> int:
        """Unix time of receipt in seconds, by Valkey's clock."""
        return order_of(self.id)[0] // 1000


@dataclass(frozen=True)
class StreamState:
    """Backlog and workers of a stream.

    Attributes:
        waiting: number of entries that no worker has taken.
        taken: number of entries taken but not acknowledged.
        workers: number of live workers.
        dead: number of dead letters.
    """

    waiting: int
    taken: int
    workers: int
    dead: int = 0


def order_of(entry_id: str) -> tuple[int, int]:
    """Returns the sort key of an entry id: `"9-10"` → `(9, 10)`."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


class WorkStream:
    """A stream with the consumer group `workers`.

    A worker that stops reading loses its entries to the others.
    """

    GROUP = "workers"
    KEPT_MS = 3_600_000  # minimum age at which acknowledged entries are deleted
    KEY: ClassVar[str]

    def __init__(self, client: Valkey) -> None:
        self._client: Any = client  # redis-py types only half of the stream commands

    @classmethod
    def connect(cls, settings: Settings) -> Self:
        """Returns the stream in the settings' Valkey; connects at first use."""
        return cls(connect(settings))

    def now(self) -> int:
        """Returns the unix time in seconds, by Valkey's clock."""
        return int(node_of(self._client, self.KEY).time()[0])

    def show_alive(self, worker: str) -> None:
        """Renews the time at which a worker was last seen, while it applies entries and reads none."""
        self._client.xclaim(self.KEY, self.GROUP, worker, 0, ["0-1"], justid=True)  # no entry has this id

    def open(self) -> None:
        """Creates the consumer group, unless it exists, so that it begins with the oldest entry."""
        with suppress(redis.ResponseError):  # the group exists
            self._client.xgroup_create(self.KEY, self.GROUP, "0", mkstream=True)

    def take(self, worker: str, count: int, wait_ms: int | None) -> list[Entry]:
        """Assigns at most `count` new entries to a worker, after at most `wait_ms` milliseconds; None does not wait."""
        return self._read(worker, ">", count, wait_ms)

    def taken_by(self, worker: str, count: int) -> list[Entry]:
        """Returns a worker's oldest unacknowledged entries, at most `count`."""
        return self._read(worker, "0", count, None)

    def claim_stale(self, worker: str, idle_ms: int, count: int) -> list[Entry]:
        """Assigns entries that other workers took at least `idle_ms` milliseconds ago to `worker`."""
        answer = self._client.xautoclaim(self.KEY, self.GROUP, worker, idle_ms, count=count)
        return [entry_of(one) for one in answer[1]]

    def done(self, entries: Sequence[Entry]) -> None:
        """Acknowledges entries that were applied."""
        if entries:
            self._client.xack(self.KEY, self.GROUP, *(entry.id for entry in entries))

    def entries_of(self, users: Collection[str]) -> list[Entry]:
        """Returns the entries whose user_id is one of these texts; reads the whole stream."""
        return list(of_users(self._pages(self.KEY, "-"), users))

    def delete(self, entries: Sequence[Entry]) -> None:
        """Deletes entries, also those that a worker has taken."""
        if ids := [entry.id for entry in entries]:
            with suppress(redis.ResponseError):  # no consumer group yet
                self._client.xack(self.KEY, self.GROUP, *ids)
            self._client.xdel(self.KEY, *ids)

    def state(self) -> StreamState:
        """Returns backlog and workers; raises ActionableError if Valkey does not answer."""
        with translate_redis_errors(self._client):
            groups = self._client.xinfo_groups(self.KEY) if self._client.exists(self.KEY) else []
            group = next((one for one in groups if one["name"] == self.GROUP.encode()), None)
            if group is None:
                return StreamState(self._client.xlen(self.KEY), 0, 0)
            consumers = self._client.xinfo_consumers(self.KEY, self.GROUP)
        alive = sum(one["idle"] < ALIVE_MS for one in consumers)
        waiting = group["lag"]
        if waiting is None:  # Valkey cannot count after deletions
            waiting = sum(1 for _ in self.after(group["last-delivered-id"].decode()))
        return StreamState(waiting, group["pending"], alive)

    def wait_for_taken(self, seconds: float) -> bool:
        """Waits until live workers applied all entries that they have taken; returns False after `seconds`."""
        if not self.state().workers:
            return True
        group = next(one for one in self._client.xinfo_groups(self.KEY) if one["name"] == self.GROUP.encode())
        return self.wait(["0-1", group["last-delivered-id"].decode()], seconds)

    def after(self, entry_id: str) -> Iterator[Entry]:
        """Yields all entries after the one with this id, in order."""
        yield from self._pages(self.KEY, f"({entry_id}")

    def _pages(self, key: str, start: str) -> Iterator[Entry]:
        while page := self._client.xrange(key, start, count=PAGE):
            yield from map(entry_of, page)
            start = f"({page[-1][0].decode()}"

    def wait(self, entry_ids: Sequence[str], seconds: float) -> bool:
        """Waits until workers applied or dead-lettered all entries; returns False after `seconds`.

        Args:
            entry_ids: ids that `send` returned.
            seconds: time limit.
        """

        tries = Retrying(
            retry=retry_if_result(lambda applied: not applied),
            stop=stop_after_delay(seconds),
            wait=wait_fixed(_POLL_S),
            retry_error_callback=lambda _: False,
        )
        return tries(self.is_applied, entry_ids)

    def is_applied(self, entry_ids: Sequence[str]) -> bool:
        """Returns whether workers applied or dead-lettered all entries with these ids, which `send` returned."""
        if not entry_ids:
            return True
        with translate_redis_errors(self._client):
            groups = self._client.xinfo_groups(self.KEY)
            group = next((one for one in groups if one["name"] == self.GROUP.encode()), None)
            if group is None or order_of(group["last-delivered-id"].decode()) < order_of(entry_ids[-1]):
                return False
            return not self._client.xpending_range(self.KEY, self.GROUP, entry_ids[0], entry_ids[-1], count=1)

    def trim(self) -> None:
        """Deletes entries older than an hour that are acknowledged, and consumers idle for an hour without entries.

        After Valkey's clock was ahead, new ids stay ahead of it, and the age of entries is unknown. Then all
        acknowledged entries are deleted.
        """
        groups = self._client.xinfo_groups(self.KEY)
        group = next(one for one in groups if one["name"] == self.GROUP.encode())
        seconds, microseconds = node_of(self._client, self.KEY).time()
        now = seconds * 1000 + microseconds // 1000
        delivered = order_of(group["last-delivered-id"].decode())
        bounds = [delivered]
        if delivered[0] <= now + AHEAD_MS:
            bounds.append((now - self.KEPT_MS, 0))
        if group["pending"]:
            bounds.append(order_of(self._client.xpending(self.KEY, self.GROUP)["min"].decode()))
        self._client.xtrim(self.KEY, minid="{}-{}".format(*min(bounds)), approximate=True)
        for worker in self._client.xinfo_consumers(self.KEY, self.GROUP):
            if worker["idle"] > self.KEPT_MS and not worker["pending"]:
                self._client.xgroup_delconsumer(self.KEY, self.GROUP, worker["name"])

    def _read(self, worker: str, start: str, count: int, wait_ms: int | None) -> list[Entry]:
        answer = self._client.xreadgroup(self.GROUP, worker, {self.KEY: start}, count=count, block=wait_ms)
        return [entry_of(one) for _, entries in answer for one in entries]


def entry_of(answer: tuple[bytes, Mapping[bytes, bytes] | None]) -> Entry:
    """Returns the entry of Valkey's answer; an entry that was deleted after a worker took it has no fields."""
    return Entry(answer[0].decode(), answer[1] or {})


def of_users(entries: Iterable[Entry], users: Collection[str]) -> Iterator[Entry]:
    """Yields the entries whose user_id is one of these texts."""
    wanted = {user.encode() for user in users}
    return (one for one in entries if one.fields.get(b"user_id") in wanted)
