"""Writes of a worker: redis-py's commands, packed to bytes at once and answered in one round trip.

A pipeline of redis-py keeps each command as an object, and parses two answers for each one of a transaction.
"""

from typing import Any

import hiredis
import redis
from redis.commands.core import CoreCommands

from rec_assets.storage.valkey.client import Valkey, is_cluster
from rec_assets.storage.valkey.round_trip import answers_of, packed

_MULTI, _EXEC = packed(b"MULTI"), packed(b"EXEC")


class PackedTransaction(CoreCommands):  # type: ignore[type-arg] # the class itself is not generic
    """Collects commands, which `execute` applies together or, if Valkey does not accept one of them, not at all.

    A command may also fail when it is applied, as on a key of a wrong type; the others then stay applied. Answers are
    as Valkey sends them: redis-py converts those of some commands.
    """

    def __init__(self, client: Valkey) -> None:
        """Uses the connections of a client of one server."""
        self._pool = client.connection_pool
        self._commands: list[bytes] = []

    def __enter__(self) -> "PackedTransaction":
        return self

    def __exit__(self, *_: object) -> None:
        self._commands.clear()

    def execute_command(self, *words: Any, **_: Any) -> "PackedTransaction":
        """Adds a command; redis-py's methods call this."""
        self._commands.append(hiredis.pack_command(words))
        return self

    def execute(self) -> list[Any]:
        """Returns the answer to each command; raises the first error of Redis."""
        *queued, answers = answers_of(self._pool, [_MULTI, *self._commands, _EXEC])
        found = queued if isinstance(answers, Exception) else answers
        for answer in found:
            if isinstance(answer, redis.RedisError):
                raise answer
        if isinstance(answers, Exception):
            raise answers
        return list(answers)


def pipeline_by_user(client: Valkey) -> Any:
    """Returns a pipeline for keys of several users: one transaction; in a cluster, only the order of a user's commands.

    One transaction of a cluster cannot change several slots.
    """
    return client.pipeline(transaction=False) if is_cluster(client) else PackedTransaction(client)
