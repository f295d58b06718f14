"""The whole graph at a small size, materialized once per session, with its own servers and artifacts in a bucket."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets.storage.artifacts.stores import open_store
from rec_assets_tests.s3 import BUCKET, S3
from rec_assets_tests.servers import free_port

if TYPE_CHECKING:
    from dagster import DagsterInstance, Definitions, ExecuteInProcessResult

SMALL = {
    "REC_RETAIL_USERS": "800",
    "REC_RETAIL_ITEMS": "300",
    "REC_RETAIL_INTERACTIONS_PER_DAY": "3000",
    "REC_DAYS": "8",
    "REC_TRAIN_DAYS": "4",
    "REC_VALID_DAYS": "1",
    "REC_MAX_EPOCHS": "4",
    "REC_RETRIEVAL_TOPK": "100",
    "REC_RANKING_TOPK": "20",
    "REC_LOG_INTERVAL_S": "0",
}


@dataclass(frozen=True)
class Pipeline:
    """Results of the session's run.

    Attributes:
        environment: environment variables of the run.
        settings: settings of the run.
        materialized: number of materialized assets.
    """

    environment: dict[str, str]
    settings: Settings
    materialized: int

    @property
    def store(self) -> ArtifactStore:
        return open_store(self.settings)

    @property
    def day(self) -> str:
        return self.settings.as_of.isoformat()

    def artifact(self, asset: str, partition: str | None = None) -> Artifact:
        return self.store.get(asset, partition or self.day)


def environment(home: Path, s3: S3) -> dict[str, str]:
    ports = ("VALKEY", "TRITON_GRPC", "TRITON_METRICS")
    bucket = {"REC_ARTIFACTS": f"s3://{BUCKET}/pipeline", **s3.environment()}
    return {**SMALL, "REC_HOME": str(home), **{f"REC_{name}_PORT": str(free_port()) for name in ports}, **bucket}


@contextmanager
def settings_from(variables: dict[str, str]) -> Iterator[Settings]:
    """Makes `get_settings` return the settings of these variables, as in a process that was started with them."""
    before = dict(os.environ)
    os.environ.update(variables)
    get_settings.cache_clear()
    try:
        yield get_settings()
    finally:
        os.environ.clear()
        os.environ.update(before)
        get_settings.cache_clear()


def definitions() -> "Definitions":
    """Builds the code location under the settings of the process, once for each settings."""
    return _definitions_of(get_settings())


@lru_cache
def _definitions_of(settings: Settings) -> "Definitions":
    from rec_assets.orchestration.build import build_defs

    return build_defs(settings)


def materialize(
    selection: Sequence[str],
    *,
    instance: "DagsterInstance | None" = None,
    partition_key: str | None = None,
    tags: Mapping[str, str] | None = None,
    raise_on_error: bool = True,
) -> "ExecuteInProcessResult":
    """Materializes some assets of the graph under the settings of the process."""
    import dagster

    defs = definitions()
    return dagster.materialize(
        [one for one in defs.assets or () if isinstance(one, dagster.AssetsDefinition)],
        instance=instance,
        resources=defs.resources,
        partition_key=partition_key,
        raise_on_error=raise_on_error,
        tags=tags,
        selection=selection,
    )
