"""Canaries on the real Triton: who gets which bundle, and what happens if the candidate fails."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.canary_record import Canary, read_canary
from rec_assets.cli.local.triton import Triton
from rec_assets.common.errors import ActionableError
from rec_assets.serving.canary.board import CanaryBoard
from rec_assets.serving.canary.tally import CANDIDATE, LIVE, Tally
from rec_assets.serving.client import Client
from rec_assets.serving.promotion.canary import counts_of, route_of, start_canary, stop_canary
from rec_assets.serving.promotion.promote import promote
from rec_assets.serving.triton import server_control
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER
from rec_assets.serving.triton.model_repository import bundle_id, publish, repository_path, version_of, versions
from rec_assets.settings import Settings
from rec_assets.storage.artifact_store import ArtifactStore
from rec_assets_tests.serving.stored_bundles import add
from rec_assets_tests.waiting import wait_until

pytestmark = pytest.mark.slow
USERS = range(1, 21)


def silent(_: str) -> None:
    """Ignores a line of the report."""


@pytest.fixture(scope="module")
def days(
    shop: Settings, shop_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ArtifactStore, Bundle, Bundle]]:
    """Returns a store with two bundles, of which the first is live; afterwards the shop's own bundle is live again."""
    store = ArtifactStore(tmp_path_factory.mktemp("canary"))
    one, two = add(store, 1), add(store, 2)
    promote(store, shop, one.bundle_id, silent)
    yield store, one, two
    server_control.go_live(shop, publish(shop_bundle, repository_path(shop), settings=shop))


@pytest.fixture
def judged(shop: Settings) -> Settings:
    """Settings that judge a bundle after ten requests."""
    return shop.model_copy(update={"canary_min_requests": 10})


def following(settings: Settings, canary: Canary | None, topology: str = RECOMMENDER) -> Client:
    """Returns a client that knows the route of a canary, or that there is none."""
    redis.Redis(settings.valkey_host, settings.valkey_port, db=CanaryBoard.DB).ping()
    return Client(settings, topology)


def candidate_processes(settings: Settings, bundle: str) -> list[psutil.Process]:
    """Returns the processes that answer requests of `recommender` from a bundle."""
    folder = repository_path(settings)
    place = str(Path(folder) / "graph_runner" / str(version_of(folder, bundle)))
    return [one for one in psutil.Process(Triton(settings).status().pid).children() if place in " ".join(one.cmdline())]


@pytest.mark.parametrize("topology", [RECOMMENDER, ENSEMBLE])
def test_users_of_the_share_get_the_candidate_and_all_others_the_live_bundle(
    shop: Settings, days: tuple[ArtifactStore, Bundle, Bundle], topology: str
) -> None:
    store, one, two = days
    canary = start_canary(store, shop, two.bundle_id, silent, share=0.5)
    client = Client(shop, topology)
    route = route_of(canary)
    by = {user: client.recommend(user).bundle_id for user in USERS}
    assert by == {user: two.bundle_id if route.has(user) else one.bundle_id for user in USERS}
    assert set(by.values()) == {one.bundle_id, two.bundle_id}
    assert client.recommend(-1).bundle_id == one.bundle_id, "an anonymous user has no stable id"
    number = sum(map(route.has, USERS))
    counts = wait_until(lambda: found if len(found := counts_of(shop, canary)) > 1 else None)
    assert Tally.of(CANDIDATE, counts).answers == number
    assert Tally.of(LIVE, counts).answers == len(USERS) - number
    with pytest.raises(ActionableError, match=f"The canary of bundle {two.bundle_id} runs"):
        start_canary(store, shop, two.bundle_id, silent, share=0.5)
    stop_canary(store, shop, "the test ends")
    assert wait_until(lambda: client.recommend(next(filter(route.has, USERS))).bundle_id == one.bundle_id)
    assert read_canary(store).reason(two.manifest) == "the test ends"
    assert server_control.candidate_id(shop) is None
    assert two.bundle_id not in {bundle_id(repository_path(shop), one) for one in versions(repository_path(shop))}
