"""The installation and the templates of all environments."""

from pathlib import Path

import pytest

from rec_assets_tests.deploy.aws import ENVIRONMENTS, Template, synthesize
from rec_assets_tests.deploy.installation import Installation, install


@pytest.fixture(scope="session", params=ENVIRONMENTS)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def template_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cdk")


@pytest.fixture(scope="session")
def templates(template_folder: Path) -> dict[str, Template]:
    return synthesize(template_folder)
