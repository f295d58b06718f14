"""Connections to Valkey: hasty ones for requests, patient ones for commands, and what to say when it is away."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import redis

from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings

# redis-py's own stubs make the class generic, the class itself is not.
Valkey: TypeAlias = "redis.Redis[bytes]"


def connect(settings: Settings, db: int) -> Valkey:
    """Returns a client that waits seconds; it connects at the first command."""
    return _client(settings, db, connect_timeout=2.0, timeout=10.0)


def connect_for_requests(settings: Settings, db: int) -> Valkey:
    """Returns a client that gives up within 0.15 s, for a request rather goes without than waits."""
    return _client(settings, db, connect_timeout=0.05, timeout=0.1)


def _client(settings: Settings, db: int, *, connect_timeout: float, timeout: float) -> Valkey:
    timeouts: dict[str, Any] = {"socket_connect_timeout": connect_timeout, "socket_timeout": timeout}
    return redis.Redis(settings.valkey_host, settings.valkey_port, db=db, **timeouts, **login(settings))


def login(settings: Settings) -> dict[str, Any]:
    """Returns what redis-py is told beside the address: who asks, and whether by TLS."""
    who = {"username": settings.valkey_user, "password": settings.valkey_password}
    # redis-py takes any host's certificate unless it is told to look.
    tls = {"ssl": True, "ssl_check_hostname": True, "ssl_ca_certs": settings.valkey_ca}
    how = tls if settings.valkey_tls else {}
    return {name: value for name, value in (who | how).items() if value}


def command(client: Valkey, *words: str | int | float) -> Any:
    """Runs a command that redis-py has no method for; on a pipeline it is queued."""
    return client.execute_command(*words)


@contextmanager
def translate_redis_errors(client: Valkey) -> Iterator[None]:
    """Turns "no answer" and "no Bloom filters" into ActionableErrors."""
    where = "{host}:{port}".format(**client.connection_pool.connection_kwargs)
    try:
        yield
    except redis.AuthenticationError as error:
        raise ActionableError(
            f"Valkey at {where} refuses the login ({error}).", "Set REC_VALKEY_USER and REC_VALKEY_PASSWORD."
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise ActionableError(f"Valkey does not answer at {where} ({error}).", "Start it with `rec up`.") from error
    except redis.ResponseError as error:
        if "unknown command" not in str(error):
            raise
        raise ActionableError(
            f"The server at {where} has no Bloom filters ({error}).",
            "Start the project's own with `rec up`, or load the Bloom module into yours.",
        ) from error
