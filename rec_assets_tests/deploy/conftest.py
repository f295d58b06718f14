"""The installation of each environment."""

import pytest

from rec_assets_tests.deploy.aws import ENVIRONMENTS
from rec_assets_tests.deploy.installation import Installation, install


@pytest.fixture(scope="session", params=ENVIRONMENTS)
def installed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return install(request.param, tmp_path_factory.mktemp(request.param))
