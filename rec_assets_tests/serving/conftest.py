"""A bundle with random weights, and its stages."""

import pytest

from rec_assets.serving.bundle import Bundle
from rec_assets.serving.graph_runner import load_stages
from rec_assets.serving.stages import Stage
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port
from rec_assets_tests.serving.synthetic import make_bundle


@pytest.fixture(scope="session")
def tiny_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """50 items, 20 users; nothing in it is ever changed by a test."""
    return make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", seed=0, items=50, users=20)


@pytest.fixture(scope="session")
def stages_alone(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """All stages, with no Valkey to be found; lists of 10."""
    away = Settings(home=tmp_path_factory.mktemp("alone"), valkey_port=free_port(), ranking_topk=10)
    return load_stages(tiny_bundle, away)
