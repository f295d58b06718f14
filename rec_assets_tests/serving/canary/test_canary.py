"""Canaries on the real Triton: who gets which bundle, and what happens if a bundle fails."""

import os
import re
import signal
from collections.abc import Iterator
from contextlib import suppress

import psutil
import pytest
from tritonclient import grpc
from tritonclient.utils import InferenceServerException

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.canary_record import read_canary
from rec_assets.bundles.live_record import find_live
from rec_assets.cli.local.triton import Triton
from rec_assets.common.errors import ActionableError
from rec_assets.serving.canary.tally import CANDIDATE, LIVE, MIRRORED, SHADOW, Shadow, Tally
from rec_assets.serving.client import Client
from rec_assets.serving.promotion.canary import counts_of, is_routed, route_of, start_canary
from rec_assets.serving.promotion.catalog import resolve_bundle
from rec_assets.serving.promotion.promote import promote
from rec_assets.serving.promotion.watch import watch
from rec_assets.serving.recommendations import Recommendations
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER
from rec_assets.serving.triton.model_repository import bundle_id, repository_path, version_of, versions
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets_tests.conftest import running_shop
from rec_assets_tests.serving.stored_bundles import add
from rec_assets_tests.waiting import wait_until

pytestmark = pytest.mark.slow
USERS = range(1, 21)
Days = tuple[ArtifactStore, Bundle, Bundle]


def silent(_: str) -> None:
    """Ignores a line of the report."""


@pytest.fixture(scope="module")
def shop(shop_bundle: Bundle, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Servers of their own, because the canaries leave other versions."""
    with running_shop(shop_bundle, tmp_path_factory.mktemp("canaries")) as settings:
        yield settings


@pytest.fixture(scope="module")
def judged(shop: Settings) -> Settings:
    """Settings that judge a bundle after five requests, and never by its time."""
    changes = {"canary_min_requests": 5, "canary_max_slowdown": 1e6, "watch_max_ms": 1e6}
    return shop.model_copy(update=changes)


@pytest.fixture(scope="module")
def days(shop: Settings, tmp_path_factory: pytest.TempPathFactory) -> Days:
    """Returns a store with two bundles, of which the first is live."""
    store = ArtifactStore(tmp_path_factory.mktemp("days"))
    one, two = add(store, 1), add(store, 2)
    promote(store, shop, one.bundle_id, silent)
    return store, one, two


def processes(settings: Settings, bundle: Bundle) -> list[psutil.Process]:
    """Returns the processes that answer requests of `recommender` from a bundle."""
    folder = repository_path(settings)
    place = str(folder / "graph_runner" / str(version_of(folder, bundle.bundle_id)) / "model.py")
    return [one for one in psutil.Process(Triton(settings).status().pid).children() if place in one.cmdline()]


def fail(settings: Settings, model: str) -> None:
    """Sends a request without a user, which fails in the model."""
    client = grpc.InferenceServerClient(f"{settings.host}:{settings.triton_grpc_port}")
    with suppress(InferenceServerException):
        client.infer(model, [])
    client.close()


def test_users_of_the_share_get_the_candidate_until_it_is_accepted_for_all(judged: Settings, days: Days) -> None:
    store, one, two = days
    canary = start_canary(store, judged, two.bundle_id, silent, share=0.5, shadow=1.0)
    route, client = route_of(canary), Client(judged)
    expected = {user: two.bundle_id if route.has(user) else one.bundle_id for user in USERS}
    assert set(expected.values()) == {one.bundle_id, two.bundle_id}
    for asking in (client, Client(judged, ENSEMBLE)):
        assert {user: asking.recommend(user).bundle_id for user in USERS} == expected

    def around(user: int) -> list[Recommendations]:
        basket = [10, 13]
        return [
            client.similar(10, user_id=user),
            client.bought_together(basket, user_id=user),
            client.bought_together(basket, complement=True, user_id=user),
            client.buy_again(user),
        ]

    assert {user: {one.bundle_id for one in around(user)} for user in USERS} == {
        user: {wanted} for user, wanted in expected.items()
    }
    anonymous = (client.recommend(-1), client.similar(10), client.bought_together([10, 13]))
    assert {one.bundle_id for one in anonymous} == {one.bundle_id}, "an anonymous user has no stable id"

    inside = sum(map(route.has, USERS))
    outside = len(USERS) - inside
    wait_until(lambda: Tally.of(MIRRORED, counts_of(judged, canary)).answers >= 6 * outside + 3)
    counts = counts_of(judged, canary)
    arms = (CANDIDATE, LIVE, SHADOW)
    assert [Tally.of(arm, counts).answers for arm in arms] == [6 * inside, 6 * outside, 6 * outside + 3]
    shadow = Shadow.of(counts)
    assert 0 < shadow.overlap <= 1 and shadow.difference > 0

    with pytest.raises(ActionableError, match=f"The canary of bundle {two.bundle_id} runs"):
        start_canary(store, judged, two.bundle_id, silent, share=0.5)
    assert watch(store, judged) is None
    promote(store, judged, two.bundle_id, silent)
    assert {client.recommend(user).bundle_id for user in USERS} == {two.bundle_id}
    assert read_canary(store).running is None
    assert server_control.candidate_id(judged) is None

    # The promotion is still watched, by Triton's counters.
    assert watch(store, judged) is None
    for _ in range(20):
        fail(judged, RECOMMENDER)
    back = watch(store, judged)
    assert back is not None and back.bundle_id == one.bundle_id
    assert re.search(r"of \d+ requests to graph_runner failed, 0.00% with the bundle before", back.reason)
    promote(store, judged, back.bundle_id, silent)
    assert client.recommend(7).bundle_id == one.bundle_id
    assert watch(store, judged) is None
    assert read_canary(store).reason(two.manifest) == f"rolled back: {back.reason}"
    assert resolve_bundle(store, judged, "newest").bundle_id == one.bundle_id


def test_a_candidate_that_dies_fails_for_nobody_and_is_stopped(judged: Settings, days: Days) -> None:
    store, one, two = days
    canary = start_canary(store, judged, two.bundle_id, silent, share=0.5)
    client = Client(judged)
    for process in (killed := processes(judged, two)):
        os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: all(process.status() == psutil.STATUS_ZOMBIE for process in killed))
    assert {client.recommend(user).bundle_id for user in USERS} == {one.bundle_id}
    wait_until(lambda: Tally.of(CANDIDATE, counts_of(judged, canary)).errors >= 5)
    assert watch(store, judged) is None
    record = read_canary(store)
    assert record.running is None
    assert "requests failed" in record.reason(two.manifest)
    assert not is_routed(judged)
    assert server_control.candidate_id(judged) is None
    folder = repository_path(judged)
    assert two.bundle_id not in {bundle_id(folder, version) for version in versions(folder)}
    assert resolve_bundle(store, judged, "newest").bundle_id == one.bundle_id
    live = find_live(store)
    assert live is not None and live.bundle_id == one.bundle_id
