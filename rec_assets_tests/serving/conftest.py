"""The stages of a bundle with random weights."""

import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.serving.runner import load_stages
from rec_assets.serving.stages import Stage
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port


@pytest.fixture(scope="session")
def stages_alone(tiny_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """All stages, with no Valkey to be found; lists of 10."""
    away = Settings(home=tmp_path_factory.mktemp("alone"), valkey_port=free_port(), ranking_topk=10)
    return load_stages(tiny_bundle, away)
