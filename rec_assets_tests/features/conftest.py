"""A real Valkey for the feature store, empty before every test."""

from collections.abc import Iterator

import pytest
import redis

from rec_assets.settings import Settings
from rec_assets_tests.servers import running_valkey


@pytest.fixture(scope="session")
def valkey_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    with running_valkey(tmp_path_factory.mktemp("valkey")) as settings:
        yield settings


@pytest.fixture
def valkey(valkey_server: Settings) -> Settings:
    """Settings that reach an empty Valkey."""
    redis.Redis(valkey_server.host, valkey_server.valkey_port).flushall()
    return valkey_server
