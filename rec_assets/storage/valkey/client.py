"""Connections to Valkey, with short timeouts for requests and long ones for commands, and actionable errors."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias, cast

import redis
from redis.exceptions import MovedError, RedisClusterException

from rec_assets.common.errors import ActionableError
from rec_assets.common.traces import tracing
from rec_assets.settings import Settings
from rec_assets.storage.valkey.cluster import LazyCluster, cluster_client

_WRONG_TYPE = "WRONGTYPE"
# Errors of an unreachable server. redis-py's error of a cluster is no RedisError.
OUTAGES = (redis.ConnectionError, redis.TimeoutError, RedisClusterException)
# redis-py's stubs make the class generic; the class itself is not generic.
Valkey: TypeAlias = "redis.Redis[bytes]"


def connect(settings: Settings) -> Valkey:
    """Returns a client that waits at most 10 s per command; it connects at the first command."""
    return _client(settings, connect_timeout=2.0, timeout=10.0)


def connect_for_requests(settings: Settings) -> Valkey:
    """Returns a client that fails within 0.15 s, because a request must not wait for Valkey.

    In a cluster, a request that finds a node gone also asks another node for the new layout.
    """
    return _client(settings, connect_timeout=0.05, timeout=0.1, retries=0)


def connect_beside_requests(settings: Settings) -> Valkey:
    """Returns a client that fails within 1.5 s, for a thread that no request waits for."""
    return _client(settings, connect_timeout=0.5, timeout=1.0)


def connect_to_database(settings: Settings, database: int) -> Valkey:
    """Returns a client of a numbered database of an earlier release, with the timeouts of `connect`."""
    options: dict[str, Any] = {"socket_connect_timeout": 2.0, "socket_timeout": 10.0} | login(settings)
    return redis.Redis(settings.valkey_host, settings.valkey_port, db=database, **options)


def _client(settings: Settings, *, connect_timeout: float, timeout: float, retries: int = 3) -> Valkey:
    timeouts: dict[str, Any] = {"socket_connect_timeout": connect_timeout, "socket_timeout": timeout}
    options = timeouts | login(settings)
    if settings.valkey_cluster:
        options["cluster_error_retry_attempts"] = retries
        return cast(Valkey, cluster_client(settings.valkey_host, settings.valkey_port, options))
    return redis.Redis(settings.valkey_host, settings.valkey_port, **options)


def login(settings: Settings) -> dict[str, Any]:
    """Returns redis-py's keyword arguments for user, password and TLS."""
    credentials = {"username": settings.valkey_user, "password": settings.valkey_password}
    # By default, redis-py does not check the host name of a certificate.
    tls = {"ssl": True, "ssl_check_hostname": True, "ssl_ca_certs": settings.valkey_ca} if settings.valkey_tls else {}
    return {name: value for name, value in (credentials | tls).items() if value}


def valkey_span(part: str) -> AbstractContextManager[None]:
    """Measures a call as a part of the current trace.

    Args:
        part: what the call reads or writes, such as seen_items.
    """
    return tracing.call(f"valkey {part}", {"db.system.name": "valkey"})


def command(client: Valkey, *words: str | int | float) -> Any:
    """Runs a command for which redis-py has no method; a pipeline queues it."""
    return client.execute_command(*words)


@contextmanager
def transaction(client: Valkey, key: str) -> Iterator[Any]:
    """Yields a pipeline whose commands are applied together, all to keys in the slot of `key`.

    Raises:
        redis.ConnectionError: the slot has moved to another node of the cluster; the next attempt finds it.
    """
    try:
        with node_of(client, key).pipeline(transaction=True) as pipeline:
            yield pipeline
    except MovedError as error:
        cast(LazyCluster, client).forget_layout()
        raise redis.ConnectionError(f"The slot of {key} has moved ({error}).") from error


def is_cluster(client: Valkey) -> bool:
    """Returns whether the keys of this client lie on several nodes."""
    return isinstance(client, LazyCluster)


def node_of(client: Valkey, key: str) -> Valkey:
    """Returns a client of the node that holds a key."""
    if not isinstance(client, LazyCluster):
        return client
    cluster: Any = client.cluster
    return cast(Valkey, cluster.get_redis_connection(cluster.get_node_from_key(key)))


def nodes_of(client: Valkey) -> list[Valkey]:
    """Returns a client of each node that takes writes."""
    if not isinstance(client, LazyCluster):
        return [client]
    cluster: Any = client.cluster
    return [cast(Valkey, cluster.get_redis_connection(node)) for node in cluster.get_primaries()]


def answers_of_each(answers: Sequence[Any]) -> list[Any]:
    """Returns the answers of one command per key, None in place of the error of a key of a wrong type.

    So one damaged key does not cost the other keys their answers. Raises all other errors.
    """
    for answer in answers:
        if isinstance(answer, Exception) and not str(answer).startswith(_WRONG_TYPE):
            raise answer
    return [None if isinstance(answer, Exception) else answer for answer in answers]


@contextmanager
def translate_redis_errors(client: Valkey) -> Iterator[None]:
    """Turns connection errors, a refused login and missing Bloom filters into ActionableErrors."""
    address = client.address if isinstance(client, LazyCluster) else _address(client)
    try:
        yield
    except OUTAGES as error:  # a refused login is one, too; a client of a cluster tells it by the cause only
        refusal = next((one for one in (error, error.__cause__) if isinstance(one, redis.AuthenticationError)), None)
        if refusal is not None:
            raise ActionableError(
                f"Valkey at {address} refuses the login ({refusal}).", "Set REC_VALKEY_USER and REC_VALKEY_PASSWORD."
            ) from error
        raise ActionableError(f"Valkey does not answer at {address} ({error}).", "Start it with `rec up`.") from error
    except redis.ResponseError as error:
        if "unknown command" not in str(error):
            raise ActionableError(
                f"Valkey at {address} refuses a command ({error}).", "Check its memory, its disk and its role."
            ) from error
        raise ActionableError(
            f"The server at {address} has no Bloom filters ({error}).",
            "Start the project's Valkey with `rec up`, or load the Bloom module into your server.",
        ) from error


def _address(client: Valkey) -> str:
    return "{host}:{port}".format(**client.connection_pool.connection_kwargs)
