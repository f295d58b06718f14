"""Reads one Feast view for requests, in Feast's documented format of Redis, without Feast's Python package.

The format is part of Feast's public API ("Feast Online Store Format"). `import feast` takes 2.5 s of processor and
150 MB in each serving process, and `FeatureStore.get_online_features` takes several times as long as the read.
"""

import logging
import struct
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import mmh3
import numpy as np
import numpy.typing as npt
from google.protobuf.message import DecodeError
from google.protobuf.timestamp_pb2 import Timestamp

from rec_assets.features.store.online import PROJECT, Ids, OnlineRows
from rec_assets.features.store.views import FEATURES_OF, KEY_OF
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import Valkey, connect_for_requests
from rec_assets.storage.valkey.round_trip import RoundTrip, packed

logger = logging.getLogger(__name__)

_FIELDS: dict[type[np.generic], str] = {np.float32: "float_val", np.int32: "int32_val"}  # of Feast's message `Value`
_STRING, _INT64 = 2, 4  # Feast's numbers of value types


class OnlineReader:
    """Returns the same rows as `online.read_users` or `online.read_items`; a test compares them."""

    def __init__(self, settings: Settings, view: str, client: "Valkey | None" = None) -> None:
        """Prepares reads of one view; connects at the first read.

        Args:
            settings: address of Valkey.
            view: `USER_VIEW` or `ITEM_VIEW`.
            client: connection to Valkey; by default one with the short timeouts of requests.
        """
        self._view, self._features, name = view, FEATURES_OF[view], KEY_OF[view].encode()
        self._fields = [field_of(view, feature) for feature in self._features]
        # Entity keys of version 3: number of keys; type, length and text of the name; type, length and value of the id.
        self._prefix = struct.pack(f"<III{len(name)}sII", 1, _STRING, len(name), name, _INT64, 8)
        self._written_at = time_field_of(view)
        self._round_trip = RoundTrip(client or connect_for_requests(settings))
        self._message = value_message()

    def __call__(self, ids: Ids) -> OnlineRows:
        """Reads the features of ids [n] in one round trip; raises ConnectionError and TimeoutError of Redis.

        A damaged row counts as missing and costs no other row.
        """
        return self.rows(self._round_trip(self.commands(ids)))

    def with_times(self, ids: Ids) -> tuple[OnlineRows, npt.NDArray[np.int64]]:
        """Reads ids [n] like `__call__`, and the event_timestamp of each row in unix seconds, 0 if missing."""
        answers = self._round_trip(self.commands(ids, self._written_at))
        return self.rows(answers), np.array([seconds_of((cells or (None,))[-1]) for cells in answers], np.int64)

    def commands(self, ids: Ids, *more: bytes) -> list[bytes]:
        """Returns the packed command for each id [n], which also reads more fields."""
        return [packed(b"HMGET", self.key(number), *self._fields, *more) for number in ids.tolist()]

    def rows(self, answers: Sequence[Any]) -> OnlineRows:
        """Returns the features in the answers to `commands` [n]."""
        rows = OnlineRows.missing(len(answers), self._features)
        for row, cells in enumerate(answers):
            values = self._values(cells or ())
            rows.known[row] = bool(values)
            for name, value in values.items():
                rows.columns[name][row] = value
        return rows

    def key(self, number: int) -> bytes:
        """Returns the Redis key of a user or an item."""
        return self._prefix + struct.pack("<q", number) + PROJECT.encode()

    def _values(self, cells: Sequence[bytes | None]) -> Mapping[str, float]:
        """Returns the stored features of one id by name; nothing if one of them is damaged."""
        values = {}
        try:
            for (name, dtype), cell in zip(self._features.items(), cells, strict=False):
                value = self._message.FromString(cell or b"")
                if value.HasField(_FIELDS[dtype]):
                    values[name] = getattr(value, _FIELDS[dtype])
        except DecodeError as error:
            logger.warning("%s: a stored row is damaged: %s", self._view, error)
            return {}
        return values


def field_of(view: str, feature: str) -> bytes:
    """Returns Feast's field of a feature in the hash of a row."""
    return struct.pack("<I", mmh3.hash(f"{view}:{feature}", signed=False))


def time_field_of(view: str) -> bytes:
    """Returns Feast's field of the event_timestamp."""
    return f"_ts:{view}".encode()


def seconds_of(cell: bytes | None) -> int:
    """Returns the unix seconds of a stored timestamp, 0 for a missing or damaged one."""
    try:
        return int(Timestamp.FromString(cell or b"").seconds)
    except DecodeError:
        return 0


@cache
def value_message() -> Any:
    """Returns Feast's protobuf message `Value` from its file, because `import feast.protos` runs `feast/__init__`."""
    package = find_spec("feast")
    assert package is not None and package.submodule_search_locations
    file = Path(package.submodule_search_locations[0]) / "protos" / "feast" / "types" / "Value_pb2.py"
    spec = spec_from_file_location("feast_value_message", file)
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Value
