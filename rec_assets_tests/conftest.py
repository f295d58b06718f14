"""Servers and data shared by all tests: a Valkey, real servers with a tiny bundle, and the graph at a small size."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
import redis
from hypothesis import settings as hypothesis_settings

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli.local.supervision import services
from rec_assets.common.silence import silence_tensorflow
from rec_assets.features.store import online
from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.serving.triton import model_repository
from rec_assets.settings import Settings
from rec_assets.storage.valkey.client import connect, nodes_of
from rec_assets_tests.pipeline import Pipeline, environment, settings_from
from rec_assets_tests.s3 import S3, running_s3
from rec_assets_tests.servers import free_port, running_valkey
from rec_assets_tests.serving.synthetic import make_bundle, write_features
from rec_assets_tests.valkey_cluster import running_cluster

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import LoadFileScheduling

silence_tensorflow()  # before a test imports it
hypothesis_settings.register_profile("suite", deadline=None)  # tests assert results, not times
hypothesis_settings.load_profile("suite")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "LoadFileScheduling":
    """Returns the scheduler of the suite; called only where tests run in several processes.

    Without `log`, xdist's own log, the scheduler would print a line for every test.
    """
    from rec_assets_tests.scheduling import SharedServersScheduling

    return SharedServersScheduling(config, log)


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as settings:
        yield settings


@pytest.fixture
def valkey(valkey_server: Settings) -> Settings:
    """Settings of an empty Valkey."""
    redis.Redis(valkey_server.host, valkey_server.valkey_port).flushall()
    return valkey_server


@pytest.fixture(scope="session")
def valkey_cluster_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster.settings


@pytest.fixture
def valkey_cluster(valkey_cluster_server: Settings) -> Settings:
    """Settings of an empty cluster of three Valkeys."""
    for node in nodes_of(connect(valkey_cluster_server)):
        node.flushall()
    return valkey_cluster_server


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3]:
    with running_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def s3(s3_server: S3, monkeypatch: pytest.MonkeyPatch) -> S3:
    """A real S3 server; AWS clients of this process get its address and its owner's credentials."""
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    return s3_server


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A bundle of 50 items and 20 users, which no test changes."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", seed=0, items=50, users=20)


@pytest.fixture
def copy(tiny_bundle: Bundle, tmp_path: Path) -> Path:
    """The folder of a copy of the tiny bundle, which a test may change."""
    return Path(shutil.copytree(tiny_bundle.path, tmp_path / "copy"))


@pytest.fixture(scope="session")
def shop_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "shop", seed=0, items=50, users=20)


@pytest.fixture(scope="session")
def shop(shop_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of running servers with version 1 live, 30 candidates per request and lists of 10 items."""
    with running_shop(shop_bundle, tmp_path_factory.mktemp("shop")) as settings:
        yield settings


@contextmanager
def running_shop(shop_bundle: Bundle, home: Path) -> Iterator[Settings]:
    """Runs servers as `shop` describes, for tests that promote bundles and would leave other versions to the rest."""
    ports = {f"{name}_port": free_port() for name in ("valkey", "triton_grpc", "triton_metrics")}
    settings = Settings.model_validate({"home": home, "retrieval_topk": 30, "ranking_topk": 10, **ports})
    models = model_repository.repository_path(settings)
    model_repository.switch(models, model_repository.publish(shop_bundle, models, settings=settings))
    # Registers the views first, because the server reads new views only once a minute. Valkey has no features.
    online.apply(settings, *write_features(shop_bundle, home, datetime(2025, 3, 1, tzinfo=UTC), pl.col("price")))
    with services(settings):
        yield settings


@pytest.fixture(scope="session")
def built_pipeline(tmp_path_factory: pytest.TempPathFactory, s3_server: S3) -> Iterator[Pipeline]:
    """The materialized graph with a version live on Triton and artifacts on S3; servers run for the session."""
    variables = environment(tmp_path_factory.mktemp("pipeline"), s3_server)
    with ExitStack() as stack:
        with settings_from(variables) as settings:
            # The servers need the credentials of the bucket, too.
            stack.enter_context(services(settings))
            from rec_assets.orchestration.runs.run_local import materialize_stale, promote_newest

            materialized = materialize_stale(settings)
            promote_newest(settings)
        yield Pipeline(variables, settings, materialized)


@pytest.fixture
def pipeline(built_pipeline: Pipeline) -> Iterator[Pipeline]:
    """The session's pipeline, with its settings as the settings of this process."""
    with settings_from(built_pipeline.environment) as settings:
        prepare_dagster_home(settings)
        yield built_pipeline


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB; skips the test if this user may not mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no small disk: {done.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)
