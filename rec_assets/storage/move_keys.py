"""Moves the keys of releases with numbered databases to the one database of today.

The next release drops this module.
"""

import logging
import re
from collections.abc import Sequence

from rec_assets.settings import Settings
from rec_assets.storage.keys import DEAD_LETTERS, EVENTS, trending
from rec_assets.storage.valkey import Valkey, connect, connect_to_database

OLD_DATABASES = (1, 3)
KEYS_AT_ONCE = 1_000
_NAMES = {
    rb"user:(\d+):(recent_items|activity)": rb"user:{\1}:\2",
    rb"bf:seen:(\d+)": rb"user:{\1}:seen",
    rb"events:dead": rb"{events}:dead",
    rb"trending:(.+)": rb"{trending:0}:\1",
    rb"((?:online|counted):.+)": rb"{trending:0}:\1",
}

logger = logging.getLogger(__name__)


def move_old_keys(settings: Settings) -> int:
    """Moves all keys of `OLD_DATABASES` to database 0 under today's names; returns the number of moved keys.

    May be killed and repeated. Events that a service of the earlier release sent meanwhile join the stream. Other keys
    that exist in both databases stay where they are, and a warning counts them. A cluster never had numbered databases.

    Raises:
        RedisError: Valkey does not answer.
    """
    return 0 if settings.valkey_cluster else sum(_move(settings, database) for database in OLD_DATABASES)


def renamed(key: bytes) -> bytes:
    """Returns today's name of a key: `user:7:activity` → `user:{7}:activity`."""
    for pattern, name in _NAMES.items():
        if re.fullmatch(pattern, key):
            return re.sub(pattern, name, key)
    return key


def _move(settings: Settings, database: int) -> int:
    with connect_to_database(settings, database) as old, connect(settings) as new:
        before = old.dbsize()
        cursor = None if before else 0
        while cursor != 0:
            cursor, keys = old.scan(cursor or 0, count=KEYS_AT_ONCE)
            _move_page(old, new, keys)
        left = old.dbsize()
    if left:
        logger.warning("%d keys of database %d exist in database 0, too, and stay", left, database)
    return before - left


def _move_page(old: Valkey, new: Valkey, keys: Sequence[bytes]) -> None:
    names = [renamed(key) for key in keys]
    prefix = f"{trending(0)}:".encode()
    sets = [name.removeprefix(prefix) for name in names if name.startswith(prefix)]
    if sets := [name for name in sets if not name.startswith(b"counted:")]:
        new.sadd(prefix + b"names", *sets)
    with old.pipeline(transaction=False) as pipeline:
        for key, name in zip(keys, names, strict=True):
            if key != name:
                pipeline.rename(key, name)
            pipeline.move(name, 0)
        pipeline.execute()
    for stream in {EVENTS.encode(), DEAD_LETTERS.encode()} & set(names):
        for entry_id, fields in old.xrange(stream):  # empty unless the stream existed in both databases
            new.xadd(stream, fields)
            old.xdel(stream, entry_id)
        old.delete(stream)
