"""The running shop: real Valkey and Triton with a tiny bundle live, started once for all tests that ask it."""

from collections.abc import Iterator

import pytest

from rec_assets.local.supervision import services
from rec_assets.serving import repository
from rec_assets.serving.bundle import Bundle
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port
from rec_assets_tests.serving.synthetic import make_bundle


@pytest.fixture(scope="session")
def shop_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return make_bundle(tmp_path_factory.mktemp("bundles") / "shop", seed=0, items=50, users=20)


@pytest.fixture(scope="session")
def shop(shop_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings that reach both servers; version 1 is live, 30 candidates, lists of 10."""
    ports = {f"{name}_port": free_port() for name in ("valkey", "triton_http", "triton_grpc", "triton_metrics")}
    home = tmp_path_factory.mktemp("shop")
    settings = Settings.model_validate({"home": home, "retrieval_topk": 30, "ranking_topk": 10, **ports})
    models = repository.repository_path(settings)
    repository.switch(models, repository.publish(shop_bundle, models, settings=settings))
    with services(settings):
        yield settings
