"""Tests switches between versions, and refused versions, on the real Triton."""

import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.cli.local.triton import Triton
from rec_assets.common.concurrency.background_thread import background_thread
from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client
from rec_assets.serving.triton import model_config
from rec_assets.serving.triton.control import probe
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.control.calls import ServerTimeoutError
from rec_assets.serving.triton.model_config import RECOMMENDER
from rec_assets.serving.triton.model_repository import (
    bundle_path,
    live_version,
    publish,
    remove,
    repository_path,
    versions,
)
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port
from rec_assets_tests.serving.synthetic import make_bundle
from rec_assets_tests.waiting import wait_until

pytestmark = pytest.mark.slow
AT = 1741977000


@pytest.fixture(scope="module")
def second(shop: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bundle, int]]:
    """Publishes another bundle as a new version; removes the version afterwards."""
    bundle = make_bundle(tmp_path_factory.mktemp("bundles") / "second", seed=1, items=50, users=20)
    version = publish(bundle, repository_path(shop), settings=shop)
    yield bundle, version
    remove(repository_path(shop), version)


def test_a_bundle_goes_live_and_back_as_a_whole_under_load(
    shop: Settings, shop_bundle: Bundle, first: int, second: tuple[Bundle, int]
) -> None:
    bundle, version = second
    answers: set[tuple[int, ...]] = set()
    errors: list[Exception] = []
    done = threading.Event()

    def user() -> None:
        client = Client(shop)
        while not done.is_set():
            try:
                answers.add(tuple(client.recommend(5, "mobile", AT).item_ids.tolist()))
            except Exception as error:
                errors.append(error)
            done.wait(0.01)  # leaves CPU time to the server, which loads models

    requests = threading.Thread(target=user)
    requests.start()
    try:
        for number, expected in ((version, bundle), (first, shop_bundle), (version, bundle), (first, shop_bundle)):
            server_control.go_live(shop, number)
            assert server_control.live_bundle_id(shop) == expected.bundle_id
            assert live_version(repository_path(shop)) == number
    finally:
        done.set()
        requests.join()
    assert not errors
    # Each answer is from one of the two bundles; a mixture would be a third list.
    assert len(answers) == 2


def test_a_new_version_leaves_the_processes_of_the_live_one_running(shop: Settings, tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process(Triton(shop).status().pid).children()}
    bundle = make_bundle(tmp_path / "third", seed=3, items=50, users=20)
    version = publish(bundle, repository_path(shop), settings=shop)
    server_control.smoke_test_version(shop, version)
    after = {child.pid for child in psutil.Process(Triton(shop).status().pid).children()}
    remove(repository_path(shop), version)
    assert before <= after


def test_a_smoke_test_keeps_the_live_version_and_leaves_no_files(shop: Settings, second: tuple[Bundle, int]) -> None:
    live = server_control.live_bundle_id(shop)
    server_control.smoke_test_version(shop, second[1])
    assert server_control.live_bundle_id(shop) == live
    assert not list(repository_path(shop).glob(f"*{server_control.REHEARSAL}"))


def test_a_bundle_that_does_not_load_never_goes_live_and_the_error_has_the_reason(
    shop: Settings, first: int, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "broken", seed=2, items=50, users=20)
    version = publish(bundle, repository_path(shop), settings=shop)
    (bundle_path(repository_path(shop), version) / "query_tower" / "model.onnx").unlink()
    live = server_control.live_bundle_id(shop)
    with pytest.raises(ActionableError, match=rf"(?s)graph_runner version {version}.*: .*lacks query_tower"):
        server_control.go_live(shop, version)
    assert server_control.live_bundle_id(shop) == live
    assert live_version(repository_path(shop)) == first
    assert version not in versions(repository_path(shop))
    assert len(Client(shop).recommend(5)) == 10


def test_a_version_that_was_never_published_is_refused(shop: Settings, first: int) -> None:
    with pytest.raises(ActionableError, match="no version 99"):
        server_control.go_live(shop, 99)
    assert live_version(repository_path(shop)) == first


def test_the_error_for_an_unreachable_server_has_its_address_and_the_command(tmp_path: Path) -> None:
    unreachable = Settings(home=tmp_path, triton_grpc_port=free_port())
    assert not server_control.is_ready(unreachable)
    with pytest.raises(ActionableError, match=rf"(?s)127.0.0.1:{unreachable.triton_grpc_port}.*rec up"):
        probe.probe(unreachable)


def test_a_server_that_answers_others_counts_as_answering_and_one_that_answers_nobody_does_not(
    shop: Settings, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def users(stop: threading.Event) -> None:
        client = Client(shop)
        while not stop.is_set():
            client.recommend(5, "mobile", AT)

    def is_busy() -> bool:
        probe.probe(shop, busy_counts=True)
        return True

    monkeypatch.setattr(model_config, "LIVE", (RECOMMENDER,))
    monkeypatch.setattr(probe, "PROBE_TIMEOUT_S", 0.0005)
    with background_thread(users):
        with pytest.raises(ServerTimeoutError):
            probe.probe(shop)
        # The other request may end just before the probe begins.
        wait_until(is_busy, ignore=ServerTimeoutError)
        monkeypatch.setattr(probe, "_answered", lambda settings, name: 7)
        with pytest.raises(ServerTimeoutError):
            probe.probe(shop, busy_counts=True)
