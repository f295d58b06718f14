"""Writes one int32 feature of a Feast view, in the format that `online_reader` reads. Does not run Feast.

Feast writes whole rows through data frames, one object for each value. A worker changes one feature of many users.
"""

from collections.abc import Mapping
from functools import cache

import redis
from google.protobuf.timestamp_pb2 import Timestamp

from rec_assets.features.store.online_reader import OnlineReader, field_of, seconds_of, time_field_of, value_message
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect
from rec_assets.storage.valkey.round_trip import RoundTrip, packed

_NULL = b""  # Feast's cell of a missing value


class FeatureWriter:
    """Replaces a feature and the event_timestamp of rows. All other features of a row stay, whoever writes them."""

    def __init__(self, settings: Settings, view: str, feature: str, missing: int) -> None:
        """Prepares writes; connects at the first one.

        Args:
            settings: address of Valkey.
            view: `USER_VIEW` or `ITEM_VIEW`.
            feature: name of an int32 feature of the view.
            missing: the value that readers return for a missing one.
        """
        client = connect(settings)
        self._key, self._round_trip = OnlineReader(settings, view, client).key, RoundTrip(client)
        self._field, self._time_field, self._missing = field_of(view, feature), time_field_of(view), missing

    def __call__(self, values: Mapping[int, tuple[int, int]]) -> int:
        """Writes the values that differ from the stored ones, in two round trips; returns their number.

        A row that changes twice within a second gets a later time, because Feast ignores one that is not newer.

        Args:
            values: as-of unix time and value by raw id.

        Raises:
            redis.RedisError: Valkey does not answer, or the row of an id is no hash.
        """
        keys = [self._key(number) for number in values]
        stored = self._round_trip([packed(b"HMGET", key, self._field, self._time_field) for key in keys])
        commands = []
        for key, cells, (as_of, value) in zip(keys, stored, values.values(), strict=True):
            old, written = cells or (None, None)
            new = _cell(value)
            if (old or _NULL) != new and (old or value != self._missing):
                time = _time(max(as_of, seconds_of(written) + 1))
                commands.append(packed(b"HSET", key, self._field, new, self._time_field, time))
        if None in self._round_trip(commands):
            raise redis.ResponseError("WRONGTYPE: the stored features of an id are no hash.")
        return len(commands)


@cache
def _cell(value: int) -> bytes:
    return bytes(value_message()(int32_val=value).SerializeToString())


def _time(seconds: int) -> bytes:
    return Timestamp(seconds=seconds).SerializeToString()
