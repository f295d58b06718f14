"""Connections to Valkey, with short timeouts for requests and long ones for commands, and actionable errors."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, TypeAlias

import redis

from rec_assets.common import tracing
from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings

_WRONG_TYPE = "WRONGTYPE"
# redis-py's stubs make the class generic; the class itself is not generic.
Valkey: TypeAlias = "redis.Redis[bytes]"


def connect(settings: Settings, db: int) -> Valkey:
    """Returns a client that waits at most 10 s per command; it connects at the first command."""
    return _client(settings, db, connect_timeout=2.0, timeout=10.0)


def connect_for_requests(settings: Settings, db: int) -> Valkey:
    """Returns a client that fails within 0.15 s, because a request must not wait for Valkey."""
    return _client(settings, db, connect_timeout=0.05, timeout=0.1)


def connect_beside_requests(settings: Settings, db: int) -> Valkey:
    """Returns a client that fails within 1.5 s, for a thread that no request waits for."""
    return _client(settings, db, connect_timeout=0.5, timeout=1.0)


def _client(settings: Settings, db: int, *, connect_timeout: float, timeout: float) -> Valkey:
    timeouts: dict[str, Any] = {"socket_connect_timeout": connect_timeout, "socket_timeout": timeout}
    return redis.Redis(settings.valkey_host, settings.valkey_port, db=db, **timeouts, **login(settings))


def login(settings: Settings) -> dict[str, Any]:
    """Returns redis-py's keyword arguments for user, password and TLS."""
    credentials = {"username": settings.valkey_user, "password": settings.valkey_password}
    # By default, redis-py does not check the host name of a certificate.
    tls = {"ssl": True, "ssl_check_hostname": True, "ssl_ca_certs": settings.valkey_ca} if settings.valkey_tls else {}
    return {name: value for name, value in (credentials | tls).items() if value}


def valkey_span(part: str) -> AbstractContextManager[None]:
    """Measures a call as a part of the current trace.

    Args:
        part: what the call reads or writes, such as user_features.
    """
    return tracing.call(f"valkey {part}", {"db.system.name": "valkey"})


def command(client: Valkey, *words: str | int | float) -> Any:
    """Runs a command for which redis-py has no method; a pipeline queues it."""
    return client.execute_command(*words)


def execute_each(pipeline: Any) -> list[Any]:
    """Executes a pipeline of one command per key, and returns the `answers_of_each`."""
    return answers_of_each(pipeline.execute(raise_on_error=False))


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
    address = "{host}:{port}".format(**client.connection_pool.connection_kwargs)
    try:
        yield
    except redis.AuthenticationError as error:
        raise ActionableError(
            f"Valkey at {address} refuses the login ({error}).", "Set REC_VALKEY_USER and REC_VALKEY_PASSWORD."
        ) from error
    except (redis.ConnectionError, redis.TimeoutError) as error:
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
