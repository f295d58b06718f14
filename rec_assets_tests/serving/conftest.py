"""Fixture with the stages of a bundle with random weights."""

from pathlib import Path

import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.runner import load_stages
from rec_assets.serving.stages import Stage
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.model_repository import publish, repository_path, version_of
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets_tests.servers import free_port


@pytest.fixture(scope="session")
def stages_alone(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """Returns all stages without a reachable Valkey; lists have 10 items."""
    settings = Settings(home=tmp_path_factory.mktemp("alone"), valkey_port=free_port(), ranking_topk=10)
    return load_stages(tiny_bundle, settings)


@pytest.fixture(scope="module")
def first(shop: Settings, shop_bundle: Bundle) -> int:
    """Version of `shop_bundle`, which is made live again after tests that switched to another bundle."""
    folder = repository_path(shop)
    version = version_of(folder, shop_bundle.bundle_id) or publish(shop_bundle, folder, settings=shop)
    server_control.go_live(shop, version)
    return version


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """Settings of an empty home."""
    return Settings(home=tmp_path)


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    """An empty artifact store."""
    return ArtifactStore(tmp_path / "artifacts")
