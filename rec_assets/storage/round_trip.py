"""Reads of a request: packed commands, answered in one round trip on one connection.

A pipeline of redis-py spends more time on the words of a command than Valkey does. Here, commands are bytes.
"""

from collections.abc import Sequence
from typing import Any

import redis

from rec_assets.storage.valkey import Valkey, answers_of_each

MOST_NUMBERS = 100_000  # whose words are kept, 10 MB


class _Numbers(dict[int, bytes]):
    """The word of each number. Requests repeat the ids of items, so their words are made once."""

    def __missing__(self, number: int) -> bytes:
        if len(self) >= MOST_NUMBERS:
            self.clear()
        made = self[number] = _word(b"%d" % number)
        return made


def _word(value: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(value), value)


_numbers = _Numbers()


def packed(*words: bytes, numbers: Sequence[int] = ()) -> bytes:
    """Returns a command of words, and numbers after them, in Valkey's protocol."""
    count = b"*%d\r\n" % (len(words) + len(numbers))
    return b"".join([count, *map(_word, words), *map(_numbers.__getitem__, numbers)])


def select(db: int) -> bytes:
    """Returns the command that makes a database the one of the connection; its answer is OK."""
    return packed(b"SELECT", b"%d" % db)


class RoundTrip:
    """Runs packed commands on a client's connections. With `select`, nothing else may use the client."""

    def __init__(self, client: Valkey) -> None:
        """Connects at the first call, and again after an error."""
        self._pool = client.connection_pool

    def __call__(self, commands: Sequence[bytes]) -> list[Any]:
        """Returns the answer to each command, None for a key of a wrong type; raises all other errors of Redis."""
        connection, answers = self._pool.get_connection(""), []
        try:
            connection.send_packed_command([b"".join(commands)])
            for _ in commands:
                try:
                    answers.append(connection.read_response())
                except redis.ResponseError as error:
                    answers.append(error)
        finally:
            self._pool.release(connection)
        return answers_of_each(answers)
