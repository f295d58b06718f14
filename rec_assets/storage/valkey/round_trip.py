"""Packed commands, answered in one round trip: the reads of a request and the writes of a worker.

A pipeline of redis-py spends more time on the words of a command than Valkey does. Here, commands are bytes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import redis
from redis.exceptions import AskError, MovedError

from rec_assets.storage.valkey.client import Valkey, answers_of_each
from rec_assets.storage.valkey.cluster import LazyCluster

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
_ASKING = b"*1\r\n$6\r\nASKING\r\n"  # lets a node answer for a slot that is still on its way to it


def packed(*words: bytes, numbers: Sequence[int] = ()) -> bytes:
    """Returns a command of words, and numbers after them, in Valkey's protocol."""
    count = b"*%d\r\n" % (len(words) + len(numbers))
    return b"".join([count, *map(_word, words), *map(_numbers.__getitem__, numbers)])


class RoundTrip:
    """Runs packed commands on a client's connections; on a cluster, on one connection to each node of the keys."""

    def __init__(self, client: Valkey) -> None:
        """Connects at the first call, and again after an error."""
        self._client = client

    def __call__(self, commands: Sequence[bytes]) -> list[Any]:
        """Returns the answer to each command, None for a key of a wrong type; raises all other errors of Redis.

        The second word of each command is its key.
        """
        if not commands:
            return []
        if isinstance(self._client, LazyCluster):
            return answers_of_each(_of_cluster(self._client, commands))
        return answers_of_each(answers_of(self._client.connection_pool, commands))


def answers_of(pool: Any, commands: Sequence[bytes]) -> list[Any]:
    """Returns the answer of one server to each packed command; errors of commands are answers."""
    return _answers([(pool, commands)])[0]


def _of_cluster(client: LazyCluster, commands: Sequence[bytes]) -> list[Any]:
    """Asks all nodes at once, then the nodes to which slots move.

    After an error, and after a slot has moved, the next call reads the layout of the cluster again.
    """
    cluster: Any = client.cluster
    nodes: dict[str, tuple[Any, list[int]]] = {}  # each node, and the positions of its commands
    for position, command in enumerate(commands):
        node = cluster.nodes_manager.get_node_from_slot(cluster.keyslot(key_of(command)))
        nodes.setdefault(node.name, (node, []))[1].append(position)
    answers: list[Any] = [None] * len(commands)
    try:
        found = _answers(
            [
                (cluster.get_redis_connection(node).connection_pool, [commands[one] for one in mine])
                for node, mine in nodes.values()
            ]
        )
    except (redis.ConnectionError, redis.TimeoutError):
        client.forget_layout()
        raise
    for (_, mine), its_answers in zip(nodes.values(), found, strict=True):
        for position, answer in zip(mine, its_answers, strict=True):
            answers[position] = answer
    if redirected := {place: answer for place, answer in enumerate(answers) if isinstance(answer, AskError)}:
        _follow(cluster, commands, answers, redirected)
        if any(isinstance(answer, MovedError) for answer in redirected.values()):
            client.forget_layout()
    return answers


def _follow(cluster: Any, commands: Sequence[bytes], answers: list[Any], redirected: Mapping[int, AskError]) -> None:
    """Asks the nodes that have taken over slots, or are about to, and replaces the errors that name them."""
    nodes: dict[tuple[str, int], list[int]] = {}
    for place, error in redirected.items():
        nodes.setdefault(error.node_addr, []).append(place)
    for places in nodes.values():
        error = redirected[places[0]]
        if (node := cluster.get_node(host=error.host, port=error.port)) is not None:
            pool = cluster.get_redis_connection(node).connection_pool
            asked = _answers([(pool, [word for place in places for word in (_ASKING, commands[place])])])[0]
            for place, answer in zip(places, asked[1::2], strict=True):
                answers[place] = answer


def _answers(parts: Sequence[tuple[Any, Sequence[bytes]]]) -> list[list[Any]]:
    """Sends the commands of each pool on a connection of it, then reads the answers; errors of commands are answers."""
    taken: list[tuple[Any, Any]] = []
    answers: list[list[Any]] = []
    try:
        for pool, commands in parts:
            taken.append((pool, pool.get_connection("")))
            taken[-1][1].send_packed_command([b"".join(commands)])
        for (_, commands), (_, connection) in zip(parts, taken, strict=True):
            answers.append(mine := [])
            for _ in commands:
                try:
                    mine.append(connection.read_response())
                except redis.ResponseError as error:
                    mine.append(error)
    except BaseException:
        for _, connection in taken:  # unread answers would be those of the next call
            connection.disconnect()
        raise
    finally:
        for pool, connection in taken:
            pool.release(connection)
    return answers


def key_of(command: bytes) -> bytes:
    """Returns the second word of a packed command."""
    length, rest = command.split(b"\r\n", 4)[3:]
    return rest[: int(length[1:])]
