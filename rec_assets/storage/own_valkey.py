"""Refuses the Valkey of another home. A new Valkey takes the identity of the first home that writes into it."""

import redis

from rec_assets.common.errors import ActionableError
from rec_assets.settings import Settings
from rec_assets.storage.home_identity import SHOWN
from rec_assets.storage.keys import IDENTITY
from rec_assets.storage.stores import open_store
from rec_assets.storage.valkey import connect


def require_own_valkey(settings: Settings) -> None:
    """Gives a new Valkey the identity of this home, and refuses the Valkey of another home.

    A Valkey that does not answer, and a home whose bucket does not answer, are not compared.

    Raises:
        ActionableError: the Valkey belongs to another home.
    """
    try:
        identity = open_store(settings).identity()
    except ActionableError:
        return
    try:
        with connect(settings) as client:
            client.set(IDENTITY, identity, nx=True)
            found = (client.get(IDENTITY) or b"").decode()
    except redis.RedisError:
        return
    if found != identity:
        raise ActionableError(
            f"Valkey at {settings.valkey_host}:{settings.valkey_port} belongs to another home (identity "
            f"{found[:SHOWN]}, but {settings.home} has {identity[:SHOWN]}).",
            f"Set REC_VALKEY_PORT or REC_HOME to the other one. To take over this Valkey, delete its key {IDENTITY}.",
        )
