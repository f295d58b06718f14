"""Reads one Feast view for requests, directly from Feast's online store without the registry.

`FeatureStore.get_online_features` resolves views, entities and projects in every call, which takes several times as
long as the read. This module uses the project's own definitions.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import redis
from google.protobuf.message import DecodeError

from rec_assets.features.store.online import REQUEST_TIMEOUT, Ids, OnlineRows, open_store
from rec_assets.features.store.views import (
    ITEM_FEATURES,
    ITEM_KEY,
    ITEM_VIEW,
    USER_FEATURES,
    USER_KEY,
    USER_VIEW,
    feast_objects,
)
from rec_assets.settings import Settings

logger = logging.getLogger(__name__)

_FEATURES = {USER_VIEW: USER_FEATURES, ITEM_VIEW: ITEM_FEATURES}
_KEYS = {USER_VIEW: USER_KEY, ITEM_VIEW: ITEM_KEY}


class OnlineReader:
    """Returns the same rows as `online.read_users` or `online.read_items`; a test compares them."""

    def __init__(self, settings: Settings, view: str, timeout: float = REQUEST_TIMEOUT) -> None:
        """Prepares reads of one view; connects at the first read.

        Args:
            settings: address of Valkey.
            view: `USER_VIEW` or `ITEM_VIEW`.
            timeout: time limit of one Valkey call in seconds.
        """
        from feast.infra.online_stores.redis import RedisOnlineStore
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey
        from feast.protos.feast.types.Value_pb2 import Value

        unused = Path()  # the path of the offline files has no effect on online reads
        self._view: Any = next(one for one in feast_objects(settings, unused, unused) if one.name == view)
        self._features = _FEATURES[view]
        self._config = open_store(settings, timeout).config
        self._store = RedisOnlineStore()
        self._key_of: Callable[[int], Any] = lambda number: EntityKey(
            join_keys=[_KEYS[view]], entity_values=[Value(int64_val=number)]
        )

    def __call__(self, ids: Ids) -> OnlineRows:
        """Reads the features of ids [n] in one round trip; raises ConnectionError and TimeoutError of Redis.

        If a stored row is damaged, reads each id alone, so that only the damaged one has no features.
        """
        try:
            return self._read(ids)
        except (redis.ConnectionError, redis.TimeoutError):
            raise
        except Exception as error:  # Feast and protobuf raise several types for a damaged row
            logger.warning("%s: a stored row is damaged: %s: %s", self._view.name, type(error).__name__, error)
            return self._read_each(ids)

    def _read_each(self, ids: Ids) -> OnlineRows:
        rows = OnlineRows.missing(len(ids), self._features)
        for row, number in enumerate(ids.tolist()):
            with suppress(ValueError, TypeError, DecodeError, redis.ResponseError):
                one = self._read(np.array([number]))
                rows.known[row] = one.known[0]
                for name, values in one.columns.items():
                    rows.columns[name][row] = values[0]
        return rows

    def _read(self, ids: Ids) -> OnlineRows:
        keys = [self._key_of(number) for number in ids.tolist()]
        fetched = self._store.online_read(self._config, self._view, keys, list(self._features))
        rows = OnlineRows.missing(len(ids), self._features)
        for row, (_, values) in enumerate(fetched):
            for name, value in (values or {}).items():
                kind = value.WhichOneof("val")
                if kind is not None:
                    rows.known[row] = True
                    rows.columns[name][row] = getattr(value, kind)
        return rows
