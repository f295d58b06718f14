"""Fixture with the stages of a bundle with random weights."""

import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.runner import load_stages
from rec_assets.serving.stages import Stage
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port


@pytest.fixture(scope="session")
def stages_alone(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """Returns all stages without a reachable Valkey; lists have 10 items."""
    settings = Settings(home=tmp_path_factory.mktemp("alone"), valkey_port=free_port(), ranking_topk=10)
    return load_stages(tiny_bundle, settings)
