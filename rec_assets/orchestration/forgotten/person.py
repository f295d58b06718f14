"""Deletes a person from all stored artifacts, and exports the person's rows.

Rows of raw and joined days are filtered, which gives the same bytes as a new materialization. What mixes people, such
as a training set, is deleted, and the next materialization makes it without the person.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import redis
from dagster import AssetMaterialization, DagsterInstance

from rec_assets.common.decimals import in_decimals
from rec_assets.common.errors import ActionableError
from rec_assets.datasets.joined_days import HISTORY_ROWS, ROWS
from rec_assets.orchestration.assets.data.behavioral_updates import UPDATES
from rec_assets.orchestration.assets.feature_data.features import USER_FEATURES
from rec_assets.orchestration.assets.quality.outcomes import OUTCOMES
from rec_assets.orchestration.assets.quality.shown_lists import LISTS
from rec_assets.orchestration.dagster_internals import DATA_VERSION_TAG
from rec_assets.realtime.answers.log import AnswerLog
from rec_assets.realtime.person import forget_online
from rec_assets.realtime.stores.retired_users import RetiredUsers
from rec_assets.settings import Settings
from rec_assets.sources import Codes
from rec_assets.sources.base import RAW_INTERACTIONS, RAW_USERS
from rec_assets.sources.shop.codes import USER
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.stores import open_store
from rec_assets.storage.artifacts.versions import UNPARTITIONED, link_tree
from rec_assets.storage.frames import write_frame
from rec_assets.storage.valkey.client import connect, translate_redis_errors
from rec_assets.storage.valkey.keys import FORGETTING_LOCK

CODES = "id_codes"
# Assets with rows with a user_id: files by asset, downstream assets first. Only the first file is in every partition.
ROWS_OF_USERS = {
    "outcomes": (OUTCOMES,),
    "shown_lists": (LISTS,),
    "user_features": (USER_FEATURES,),
    "joined_interactions": (ROWS, HISTORY_ROWS),
    "behavioral_updates": (UPDATES,),
    "raw_interactions": (RAW_INTERACTIONS,),
    "raw_users": (RAW_USERS,),
}
# Assets that mix the rows of all users; downstream assets first.
MIXED = ("user_lists", "finetune_set", "replay_set", "training_set", "nvt_workflows", "masked_train_set")
RECORDED = (
    "raw_users",
    "raw_interactions",
    "behavioral_updates",
    "shown_lists",
)  # in Dagster, so that the others become stale
LOCK_LIFETIME_S = 3_600.0  # of a process that was killed
PATIENCE_S = 600.0
_USER_COLUMNS = ("user_id", "request_user_id", "user_ids", "vocabulary/user_id")


@dataclass(frozen=True)
class Person:
    """A person of the shop: the number, and the id as a text where ids are texts."""

    code: int
    text: str | None


def find_person(settings: Settings, given: str) -> Person:
    """Finds a person by the id that the shop writes.

    Raises:
        ActionableError: no user has this id.
    """
    codes = _codes(open_store(settings))
    if not codes.is_empty:
        code = int(codes.encode(USER, pl.Series([given.strip()])).item())
        digest = codes.forgotten.digest(given.strip())  # of a person who was forgotten: what is left is deleted
        code = next((one.code for one in codes.forgotten.people if one.digest == digest), code) if code < 0 else code
        if code >= 0:
            return Person(code, given.strip())
    elif given.strip().isdecimal() and _is_somewhere(settings, code := int(given), codes):
        return Person(code, None)
    raise ActionableError(
        f"No user has the id '{given}'.",
        "Give the id as the shop writes it, with its leading zeros.",
    )


def waiting_people(settings: Settings) -> list[Person]:
    """Returns people whose number is retired, and whose rows are still to be deleted.

    Raises:
        ActionableError: Valkey does not answer.
    """
    codes, client = _codes(open_store(settings)), connect(settings)
    with translate_redis_errors(client):
        numbers = RetiredUsers(client).waiting()
    texts = codes.decode(USER, pl.Series(numbers, dtype=pl.Int32)).to_list()
    return [Person(number, text) for number, text in zip(numbers, texts, strict=True)]


def forget(
    settings: Settings, person: Person, at: int, instance: DagsterInstance
) -> tuple[dict[str, int], dict[str, list[str]]]:
    """Deletes a person from everything, as `forget_online` and `forget_offline`; returns the results of both.

    A call that failed leaves the person among `waiting_people`. Arguments are those of `forget_offline`.

    Raises:
        ActionableError: Valkey does not answer, or another deletion did not end within 10 minutes.
    """
    with _only_deletion(settings):
        online = forget_online(settings, person.code, person.text)
        offline = forget_offline(settings, person, at, instance)
        client = connect(settings)
        with translate_redis_errors(client):
            RetiredUsers(client).finish(person.code)
    return online, offline


@contextmanager
def _only_deletion(settings: Settings) -> Iterator[None]:
    """Waits until no other process deletes a person: the command and the job would rewrite the same artifacts."""
    client = connect(settings)
    lock = client.lock(FORGETTING_LOCK, timeout=LOCK_LIFETIME_S, blocking_timeout=PATIENCE_S, thread_local=False)
    with translate_redis_errors(client):
        if not lock.acquire():
            raise ActionableError("Another deletion of a person is in progress.", "Repeat this when it has ended.")
    try:
        yield
    finally:
        with suppress(redis.RedisError):  # the lock has expired, or Valkey is away
            lock.release()


def forget_offline(settings: Settings, person: Person, at: int, instance: DagsterInstance) -> dict[str, list[str]]:
    """Retires a person's number and deletes the person from all artifacts; a repeated call deletes what is left.

    Args:
        settings: name the artifact store.
        person: the person, from `find_person`.
        at: unix second of the deletion.
        instance: records the changed versions.

    Returns:
        Partitions by asset that were rewritten or deleted.
    """
    store = open_store(settings)
    _retire(store, person.code, at)
    for cache in (settings.home / "cache" / "shop").glob("*"):  # rows of the shop's files as texts
        shutil.rmtree(cache, ignore_errors=True)
    changed: dict[str, list[str]] = {}
    days = {day for asset in ROWS_OF_USERS for day in _days_with(store, asset, person.code)}
    for asset in MIXED:
        for partition in store.partitions(asset):
            # A masked row has no user, so the rows of the day tell.
            if _holds(store.get(asset, partition).path, person.code) or (
                asset == "masked_train_set" and partition in days
            ):
                store.remove(asset, partition)
                changed.setdefault(asset, []).append(partition)
            else:
                store.keep_only_current(asset, partition)
    for asset in ROWS_OF_USERS:
        for partition in store.partitions(asset):
            if _rewrite(store, settings, asset, partition, person.code, instance):
                changed.setdefault(asset, []).append(partition)
            store.keep_only_current(asset, partition)
    return changed


def export_offline(settings: Settings, person: Person) -> dict[str, Any]:
    """Returns the rows of a person by asset and partition, and the partitions of mixed assets that hold the person."""
    store = open_store(settings)
    found: dict[str, Any] = {}
    for asset in ROWS_OF_USERS:
        for partition in store.partitions(asset):
            files = _files_with(store.get(asset, partition), asset, person.code)
            if files:
                rows = [in_decimals(pl.read_parquet(file).filter(user_id=person.code)) for file in files]
                found[f"{asset} [{partition}]"] = [row for part in rows for row in part]
    held = [
        f"{asset} [{partition}]"
        for asset in MIXED
        for partition in store.partitions(asset)
        if _holds(store.get(asset, partition).path, person.code)
    ]
    return {**found, "also in": held}


def _codes(store: ArtifactStore) -> Codes:
    artifact = store.find(CODES)
    return Codes.empty() if artifact is None else Codes.load(artifact.path)


def _is_somewhere(settings: Settings, code: int, codes: Codes) -> bool:
    store = open_store(settings)
    return (
        code in codes.forgotten.codes
        or any(bool(_days_with(store, asset, code)) for asset in reversed(ROWS_OF_USERS))
        or not AnswerLog.of(settings).of_user(code).is_empty()  # of a visitor without events
    )


def _retire(store: ArtifactStore, code: int, at: int) -> None:
    codes = _codes(store).without_person(code, at)
    with store.publish(CODES) as draft:
        codes.save(draft.path)
    store.keep_only_current(CODES, UNPARTITIONED)


def _days_with(store: ArtifactStore, asset: str, code: int) -> list[str]:
    return [day for day in store.partitions(asset) if _files_with(store.get(asset, day), asset, code)]


def _files_with(artifact: Artifact, asset: str, code: int) -> list[Path]:
    """Returns the files with rows of a person."""
    files = [file for name in ROWS_OF_USERS[asset] if (file := artifact.path / name).exists()]
    return [file for file in files if pl.scan_parquet(file).filter(user_id=code).select(pl.len()).collect().item()]


def _rewrite(
    store: ArtifactStore, settings: Settings, asset: str, partition: str, code: int, instance: DagsterInstance
) -> bool:
    """Publishes a partition without the rows of a person; returns False if there are none."""
    artifact = store.get(asset, partition)
    files = _files_with(artifact, asset, code)
    if not files:
        return False
    with store.publish(asset, partition, artifact.run) as draft:
        link_tree(artifact.path, draft.path)
        for file in files:
            rows, target = pl.read_parquet(file).filter(pl.col("user_id") != code), draft.path / file.name
            target.unlink()
            if rows.height or file.name == ROWS_OF_USERS[asset][0]:
                write_frame(rows, target)
    if asset == "user_features":
        from rec_assets.features.store.offline import land
        from rec_assets.features.store.views import USER_VIEW

        land(settings, USER_VIEW, partition, draft.published / USER_FEATURES)
    if asset in RECORDED:
        _record(instance, draft.published)
    return True


def _record(instance: DagsterInstance, artifact: Artifact) -> None:
    """Tells Dagster the new data version, so that everything downstream becomes stale."""
    instance.report_runless_asset_event(
        AssetMaterialization(
            artifact.asset,
            partition=None if artifact.partition == UNPARTITIONED else artifact.partition,
            metadata={"digest": artifact.digest, "path": str(artifact.path)},
            tags={DATA_VERSION_TAG: artifact.digest},
        )
    )


def _holds(folder: Path, code: int) -> bool:
    return any((users == code).any() for users in user_ids_in(folder))


def user_ids_in(folder: Path) -> Iterator[Any]:
    """Yields all arrays of raw user ids in the files of an artifact, [n] each."""
    for file in sorted(folder.rglob("*")):
        # Encoded rows have positions in a vocabulary, and their raw ids lie beside them.
        if file.suffix == ".parquet" and not (file.parent / "askers.npz").exists():
            if "user_id" in pl.read_parquet_schema(file):
                yield pl.read_parquet(file, columns=["user_id"])["user_id"].to_numpy()
        elif file.suffix == ".npz":
            with np.load(file) as arrays:
                yield from (arrays[name] for name in _USER_COLUMNS if name in arrays.files)
                if file.name == "log.npz":
                    yield arrays["keys"] >> 32
