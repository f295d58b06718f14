"""The Feast feature store: opening it, filling it from parquet, and reading it back as arrays."""

import json
from collections.abc import Mapping, Sequence
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
    ITEM_FEATURES,
    ITEM_KEY,
    ITEM_VIEW,
    TIMESTAMP,
    USER_FEATURES,
    USER_KEY,
    USER_VIEW,
    feast_objects,
)
from rec_assets.settings import Settings
from rec_assets.storage.valkey import connect, login

if TYPE_CHECKING:
    from feast import FeatureStore

ONLINE_DB = 0
CONNECT_TIMEOUT = 0.05
REQUEST_TIMEOUT = 0.1  # a request rather goes without features than waits
BULK_TIMEOUT = 10.0  # seconds, for whole catalogs and materialisation
# Another value whenever item features were written: readers that keep a copy look here. Drawn and not counted, so that
# a store that lost its data never says again what it said before.
ITEM_VERSION = "item_features:version"
_TIMES = "__ts"  # what Feast puts behind the name of a feature for the time of its row
_REGISTRY_AGE = 60  # seconds until a running process sees newly applied views

Ids = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class OnlineRows:
    """An answer of the store.

    Attributes:
        known: bool [n], whether it has anything about the id.
        columns: each feature [n] in its own dtype; NaN (float32) or -1 (int32) where missing.
    """

    known: npt.NDArray[np.bool_]
    columns: dict[str, npt.NDArray[Any]]

    @classmethod
    def missing(cls, rows: int, features: Mapping[str, type[np.generic]]) -> "OnlineRows":
        """Returns `rows` rows of which nothing is known."""
        columns = {name: np.full(rows, _missing(dtype), dtype) for name, dtype in features.items()}
        return cls(np.zeros(rows, np.bool_), columns)


def repo_config(settings: Settings, timeout: float = REQUEST_TIMEOUT) -> dict[str, Any]:
    """Returns the content of Feast's `feature_store.yaml` for these settings; `timeout` in seconds."""
    timeouts = {"socket_connect_timeout": CONNECT_TIMEOUT, "socket_timeout": timeout}
    options = {"db": ONLINE_DB} | timeouts | login(settings)
    address = f"{settings.valkey_host}:{settings.valkey_port}"
    connection = ",".join([address, *(f"{name}={_as_feast(value)}" for name, value in options.items())])
    registry = settings.feast_registry or str(settings.home / "feast" / "registry.db")
    return {
        "project": "rec_assets",
        "provider": "local",
        "registry": {"path": registry, "cache_ttl_seconds": _REGISTRY_AGE},
        "online_store": {"type": "redis", "connection_string": connection},
        "offline_store": offline_config(settings),
        "entity_key_serialization_version": 3,
    }


def open_store(settings: Settings, timeout: float = REQUEST_TIMEOUT) -> "FeatureStore":
    """Opens the feature store; neither the online store nor applied views need exist yet.

    Args:
        settings: where Valkey is reached, and `home`, below which the registry lives.
        timeout: seconds that one answer of Valkey may take.
    """
    from feast import FeatureStore, RepoConfig

    config = repo_config(settings, timeout)
    if not settings.feast_registry:
        (settings.home / "feast").mkdir(parents=True, exist_ok=True)
        config["registry"]["path"] = str(Path(config["registry"]["path"]).absolute())
    return FeatureStore(config=RepoConfig(repo_path=Path.cwd(), **config))


def apply(settings: Settings, user_path: Path, item_path: Path) -> None:
    """Registers entities and views over these parquet files (see `feast_objects`); again is a change, not an error.

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
            f"Feast's registry {settings.feast_registry} cannot be written: {error}",
            "Correct REC_FEAST_REGISTRY, or allow this role to read and write there.",
        ) from error


def materialize(settings: Settings, start: datetime, end: datetime, views: Sequence[str] | None = None) -> None:
    """Writes the newest row of each entity between two moments (UTC) to the online store.

    Feast never replaces a row by an older one or one as old: repeating a day changes nothing, and neither does a
    corrected day whose `event_timestamp` stayed the same. Where items were written, `ITEM_VERSION` changes afterwards.

    Args:
        settings: where Valkey is reached.
        start: the earliest event_timestamp.
        end: the latest event_timestamp, included.
        views: `USER_VIEW`, `ITEM_VIEW` or both, which is the default.

    Raises:
        ActionableError: Valkey is away.
    """
    import redis

    try:
        store = open_store(settings, BULK_TIMEOUT)
        # Feast leaves the end out, and a day's features carry the moment it ends.
        after = end + timedelta(microseconds=1)
        written = list(views or (USER_VIEW, ITEM_VIEW))
        store.materialize(start, after, feature_views=written)
        if ITEM_VIEW in written:
            with connect(settings, ONLINE_DB) as client:
                client.set(ITEM_VERSION, uuid4().hex)
    except (redis.ConnectionError, redis.TimeoutError) as error:
        raise ActionableError(
            f"Valkey does not answer at {settings.valkey_host}:{settings.valkey_port} ({error}).",
            "Start it with `rec up`.",
        ) from error


def _as_feast(value: object) -> str:
    """Returns an option as Feast's connection string has it, where JSON's words are read as such."""
    return json.dumps(value) if isinstance(value, bool) else str(value)


def read_users(store: "FeatureStore", ids: Ids) -> OnlineRows:
    """Reads `USER_FEATURES` of users [n] in one round trip; raises what Feast and Redis raise."""
    return _read(store, USER_VIEW, USER_KEY, USER_FEATURES, ids)


def read_items(store: "FeatureStore", ids: Ids) -> OnlineRows:
    """Reads `ITEM_FEATURES` of items [n] in one round trip; raises what Feast and Redis raise."""
    return _read(store, ITEM_VIEW, ITEM_KEY, ITEM_FEATURES, ids)


def read_users_with_times(store: "FeatureStore", ids: Ids) -> tuple[OnlineRows, npt.NDArray[np.int64]]:
    """Reads users [n] as `read_users`, and the event_timestamp of each row in unix seconds, 0 where there is none."""
    answer = _ask(store, USER_VIEW, USER_KEY, USER_FEATURES, ids, times=True)
    times = np.array(answer[f"{next(iter(USER_FEATURES))}{_TIMES}"], np.int64)
    return _rows(answer, USER_FEATURES, ids), times


def write_users(store: "FeatureStore", ids: Ids, columns: Mapping[str, npt.NDArray[Any]], times: Ids) -> None:
    """Writes `USER_FEATURES` of users [n], as of event_timestamps in unix seconds [n]; raises as `read_users`.

    A row that is there with the same second or a later one stays, without a word.
    """
    import pandas as pd

    moments = pd.to_datetime(times, unit="s", utc=True)
    frame = pd.DataFrame({USER_KEY: ids.astype(np.int64), **columns, TIMESTAMP: moments})
    store.write_to_online_store(USER_VIEW, df=frame)


def is_applied(store: "FeatureStore") -> bool:
    """Returns whether the views are registered; a store that was opened before may say no for a minute."""
    return {USER_VIEW, ITEM_VIEW} <= {view.name for view in store.list_feature_views(allow_cache=True)}


def _read(store: "FeatureStore", view: str, key: str, features: Mapping[str, type[np.generic]], ids: Ids) -> OnlineRows:
    return _rows(_ask(store, view, key, features, ids), features, ids)


def _ask(
    store: "FeatureStore",
    view: str,
    key: str,
    features: Mapping[str, type[np.generic]],
    ids: Ids,
    *,
    times: bool = False,
) -> dict[str, list[Any]]:
    names = [f"{view}:{name}" for name in features]
    answer = store.get_online_features(features=names, entity_rows={key: ids.tolist()})
    return answer.to_dict(include_event_timestamps=times)


def _rows(answer: Mapping[str, list[Any]], features: Mapping[str, type[np.generic]], ids: Ids) -> OnlineRows:
    known = np.zeros(len(ids), np.bool_)
    columns = {}
    for name, dtype in features.items():
        present = np.array([value is not None for value in answer[name]], np.bool_)
        columns[name] = np.array([_missing(dtype) if value is None else value for value in answer[name]], dtype)
        known |= present
    return OnlineRows(known, columns)


def _missing(dtype: type[np.generic]) -> float:
    return float("nan") if issubclass(dtype, np.floating) else -1
