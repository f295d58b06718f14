"""Opens the Feast feature store, fills it from parquet, and reads and writes features as arrays."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt

from rec_assets.common.errors import ActionableError
from rec_assets.features.store.offline import offline_config
from rec_assets.features.store.views import (
    FEATURES_OF,
    ITEM_FEATURES,
    ITEM_KEY,
    ITEM_VIEW,
    KEY_OF,
    TIMESTAMP,
    USER_FEATURES,
    USER_KEY,
    USER_VIEW,
    feast_objects,
)
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import OUTAGES, connect, login
from rec_assets.storage.valkey.keys import ITEM_VERSION

if TYPE_CHECKING:
    import polars as pl
    from feast import FeatureStore

PROJECT = "rec_assets"
CONNECT_TIMEOUT = 0.05
REQUEST_TIMEOUT = 0.1  # seconds; after that a request continues without features
BULK_TIMEOUT = 10.0  # seconds, for whole catalogs and materialization
_REGISTRY_AGE = 60  # seconds until a running process reads newly applied views

Ids = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class OnlineRows:
    """Features of n ids from the online store.

    Attributes:
        known: bool [n], True if the store has a feature of the id.
        columns: each feature [n] in its own dtype; NaN (float32) or -1 (int32) if missing.
    """

    known: npt.NDArray[np.bool_]
    columns: dict[str, npt.NDArray[Any]]

    @classmethod
    def missing(cls, rows: int, features: Mapping[str, type[np.generic]]) -> "OnlineRows":
        """Returns `rows` rows without any known feature."""
        columns = {name: np.full(rows, _missing(dtype), dtype) for name, dtype in features.items()}
        return cls(np.zeros(rows, np.bool_), columns)


def repo_config(settings: Settings, timeout: float = REQUEST_TIMEOUT) -> dict[str, Any]:
    """Returns the content of Feast's `feature_store.yaml` for these settings; `timeout` in seconds."""
    timeouts = {"socket_connect_timeout": CONNECT_TIMEOUT, "socket_timeout": timeout}
    # A cluster has one database and no option for it.
    options = ({} if settings.valkey_cluster else {"db": 0}) | timeouts | login(settings)
    address = f"{settings.valkey_host}:{settings.valkey_port}"
    connection = ",".join([address, *(f"{name}={_as_feast(value)}" for name, value in options.items())])
    registry = settings.feast_registry or str(settings.home / "feast" / "registry.db")
    return {
        "project": PROJECT,
        "provider": "local",
        "registry": {"path": registry, "cache_ttl_seconds": _REGISTRY_AGE},
        "online_store": {"type": "redis", "connection_string": connection}
        | ({"redis_type": "redis_cluster"} if settings.valkey_cluster else {}),
        "offline_store": offline_config(settings),
        "entity_key_serialization_version": 3,
    }


def open_store(settings: Settings, timeout: float = REQUEST_TIMEOUT) -> "FeatureStore":
    """Opens the feature store. The online store may be offline and the views may be missing.

    Args:
        settings: address of Valkey, and `home`, the parent folder of the registry.
        timeout: time limit of one Valkey call in seconds.
    """
    from feast import FeatureStore, RepoConfig

    config = repo_config(settings, timeout)
    if not settings.feast_registry:
        (settings.home / "feast").mkdir(parents=True, exist_ok=True)
        config["registry"]["path"] = str(Path(config["registry"]["path"]).absolute())
    return FeatureStore(config=RepoConfig(repo_path=Path.cwd(), **config))


def apply(settings: Settings, user_path: Path, item_path: Path) -> None:
    """Registers entities and views over parquet files (see `feast_objects`); a repeated call updates them.

    Raises:
        ActionableError: a path does not exist, or the registry's bucket cannot be written.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from feast.errors import S3RegistryBucketForbiddenAccess, S3RegistryBucketNotExist

    for path in (user_path, item_path):
        if not path.exists():
            raise ActionableError(
                f"Feature file {path} does not exist.", "Materialize user_features and item_features."
            )
    try:
        open_store(settings).apply([*feast_objects(settings, user_path, item_path)])
    except (BotoCoreError, ClientError, S3RegistryBucketForbiddenAccess, S3RegistryBucketNotExist) as error:
        raise ActionableError(
            f"Feast's registry {settings.feast_registry} is not writable ({error}).",
            "Correct REC_FEAST_REGISTRY, or give this role read and write access.",
        ) from error


def materialize(settings: Settings, start: datetime, end: datetime, views: Sequence[str] | None = None) -> None:
    """Writes the newest row of each entity between two moments (UTC) to the online store.

    Feast replaces a row only by a row with a later `event_timestamp`. A repeated day changes nothing, nor does a
    corrected day with the same `event_timestamp`. `ITEM_VERSION` changes after items are written.

    Args:
        settings: address of Valkey.
        start: earliest event_timestamp, inclusive.
        end: latest event_timestamp, inclusive.
        views: `USER_VIEW` and/or `ITEM_VIEW`; default both.

    Raises:
        ActionableError: Valkey does not answer.
    """
    with _explained(settings):
        store = open_store(settings, BULK_TIMEOUT)
        # Feast excludes the end, but the features of a day have the end of the day as event_timestamp.
        exclusive_end = end + timedelta(microseconds=1)
        written = list(views or (USER_VIEW, ITEM_VIEW))
        store.materialize(start, exclusive_end, feature_views=written)
        if ITEM_VIEW in written:
            renew_item_version(settings)


def renew_item_version(settings: Settings) -> None:
    """Changes `ITEM_VERSION`, so that readers refresh their copies; raises RedisError.

    A random token, not a counter, so a wiped store cannot repeat an old version.
    """
    with connect(settings) as client:
        client.set(ITEM_VERSION, uuid4().hex)


@contextmanager
def _explained(settings: Settings) -> Iterator[None]:
    try:
        yield
    except OUTAGES as error:
        raise ActionableError(
            f"Valkey does not answer at {settings.valkey_host}:{settings.valkey_port} ({error}).",
            "Start it with `rec up`.",
        ) from error


def _as_feast(value: object) -> str:
    """Returns an option for Feast's connection string, which parses true and false as JSON."""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def read_users(store: "FeatureStore", ids: Ids) -> OnlineRows:
    """Reads `USER_FEATURES` of users [n] in one round trip; raises the errors of Feast and Redis."""
    return _read(store, USER_VIEW, USER_KEY, USER_FEATURES, ids)


def read_items(store: "FeatureStore", ids: Ids) -> OnlineRows:
    """Reads `ITEM_FEATURES` of items [n] in one round trip; raises the errors of Feast and Redis."""
    return _read(store, ITEM_VIEW, ITEM_KEY, ITEM_FEATURES, ids)


def write_rows(store: "FeatureStore", view: str, ids: Ids, columns: Mapping[str, npt.NDArray[Any]], times: Ids) -> None:
    """Writes the features of a view for ids [n] with event_timestamps in unix seconds [n].

    Silently skips an id whose stored row has the same or a later second. Does not renew `ITEM_VERSION`. Raises as
    `read_users`.
    """
    import pandas as pd

    moments = pd.to_datetime(times, unit="s", utc=True)
    frame = pd.DataFrame({KEY_OF[view]: ids.astype(np.int64), **columns, TIMESTAMP: moments})
    store.write_to_online_store(view, df=frame)


def feature_columns(view: str, rows: "pl.DataFrame") -> dict[str, npt.NDArray[Any]]:
    """Returns the features of a view as arrays [n] like those of `OnlineRows`: NaN or -1 for null."""
    return {
        name: rows[name].fill_null(-1).to_numpy().astype(dtype)
        if issubclass(dtype, np.integer)
        else rows[name].to_numpy().astype(dtype)  # Polars returns NaN for null
        for name, dtype in FEATURES_OF[view].items()
    }


def write_items(settings: Settings, items: "pl.DataFrame", times: Ids) -> None:
    """Writes `ITEM_FEATURES` of some items with event_timestamps in unix seconds [n], and changes `ITEM_VERSION`.

    Silently skips an item whose stored row has the same or a later second. Raises as `materialize`.
    """
    with _explained(settings):
        store, ids = open_store(settings, BULK_TIMEOUT), items[ITEM_KEY].to_numpy()
        write_rows(store, ITEM_VIEW, ids, feature_columns(ITEM_VIEW, items), times)
        renew_item_version(settings)


def is_applied(store: "FeatureStore") -> bool:
    """Returns True if the views are registered; an open store may return False for another minute."""
    return {USER_VIEW, ITEM_VIEW} <= {view.name for view in store.list_feature_views(allow_cache=True)}


def _read(store: "FeatureStore", view: str, key: str, features: Mapping[str, type[np.generic]], ids: Ids) -> OnlineRows:
    return _rows(_fetch(store, view, key, features, ids), features, ids)


def _fetch(
    store: "FeatureStore",
    view: str,
    key: str,
    features: Mapping[str, type[np.generic]],
    ids: Ids,
) -> dict[str, list[Any]]:
    names = [f"{view}:{name}" for name in features]
    response = store.get_online_features(features=names, entity_rows={key: ids.tolist()})
    return response.to_dict()


def _rows(fetched: Mapping[str, list[Any]], features: Mapping[str, type[np.generic]], ids: Ids) -> OnlineRows:
    known = np.zeros(len(ids), np.bool_)
    columns = {}
    for name, dtype in features.items():
        present = np.array([value is not None for value in fetched[name]], np.bool_)
        columns[name] = np.array([_missing(dtype) if value is None else value for value in fetched[name]], dtype)
        known |= present
    return OnlineRows(known, columns)


def _missing(dtype: type[np.generic]) -> float:
    return float("nan") if issubclass(dtype, np.floating) else -1
