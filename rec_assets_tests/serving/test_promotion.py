"""Tests promotions and rollbacks on the real Triton under load, and refused promotions."""

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import numpy as np
import psutil
import pytest
import redis

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.gate_results import GATES, Gate, save_gate_report
from rec_assets.bundles.live_record import find_live, live_path
from rec_assets.cli.local.triton import Triton
from rec_assets.common.errors import ActionableError
from rec_assets.serving.client import Client
from rec_assets.serving.promotion.promote import promote
from rec_assets.serving.runner import load_stages, run
from rec_assets.serving.triton.control import server as server_control
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER
from rec_assets.serving.triton.model_repository import bundle_path, live_version, publish, repository_path, versions
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets_tests.serving.stored_bundles import add, damage
from rec_assets_tests.serving.synthetic import AS_OF
from rec_assets_tests.waiting import wait_until

AT = 1_741_977_000
# Requests of an anonymous user, whose lists do not depend on the content or the speed of Valkey.
DEVICES = (0, 1, 2, -1)
ANONYMOUS_USER = -1


def silent(_: str) -> None:
    """Ignores a line of the report."""


@pytest.fixture(scope="module")
def promoted(shop: Settings, shop_bundle: Bundle) -> Iterator[Settings]:
    """Returns the shop's server with an empty online store; afterwards the shop's own bundle is live again."""
    redis.Redis(shop.host, shop.valkey_port).flushdb()
    yield shop
    server_control.go_live(shop, publish(shop_bundle, repository_path(shop), settings=shop))


@pytest.fixture(scope="module")
def days(promoted: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[ArtifactStore, list[Bundle]]:
    """Returns a store with fine-tunes of three days and a full training with more items; all passed their gates."""
    store = ArtifactStore(tmp_path_factory.mktemp("days"))
    return store, [add(store, 1), add(store, 2), add(store, 3, items=60), add(store, 4)]


@pytest.mark.slow
def test_under_load_every_answer_is_from_exactly_one_bundle_and_none_fails(
    promoted: Settings, days: tuple[ArtifactStore, list[Bundle]], shop_bundle: Bundle
) -> None:
    store, (one, two, full, four) = days
    expected = {
        bundle.bundle_id: run(
            load_stages(bundle, promoted),
            {"user_id": [ANONYMOUS_USER] * 4, "device_type": DEVICES, "timestamp": [AT] * 4},
        )
        for bundle in (shop_bundle, one, two, full, four)
    }
    done, errors, seen = threading.Event(), [], set()

    def user(number: int) -> int:
        """Sends requests until `done` is set; returns the number of requests."""
        client, sent = Client(promoted, (RECOMMENDER, ENSEMBLE)[number % 2]), 0
        while not done.is_set():
            position = sent % len(DEVICES)
            try:
                answer = client.recommend(ANONYMOUS_USER, DEVICES[position], AT)
                made = expected[answer.bundle_id]
                rows = slice(made["row_splits"][position], made["row_splits"][position + 1])
                np.testing.assert_array_equal(answer.item_ids, made["ordered_ids"][rows])
                np.testing.assert_allclose(answer.scores, made["ordered_scores"][rows], rtol=1e-4, atol=1e-6)
                seen.add(answer.bundle_id)
            except Exception as error:
                errors.append(error)
            sent += 1
            done.wait(0.02)  # leaves CPU time to the server, which loads models
        return sent

    wanted: list[Bundle | str] = [two, "previous", full, "previous", four, "previous"]
    promote(store, promoted, one.bundle_id, silent)
    with ThreadPoolExecutor(4) as threads:
        users = [threads.submit(user, number) for number in range(4)]
        try:
            live = [
                promote(store, promoted, one if isinstance(one, str) else one.bundle_id, silent).bundle_id
                for one in wanted
            ]
        finally:
            done.set()
        answers = sum(task.result() for task in users)
    assert not errors, errors[:3]
    assert live == [b.bundle_id for b in (two, one, full, one, four, one)]
    assert seen >= set(live)
    assert answers > 200


@pytest.mark.slow
def test_the_record_has_the_live_bundle_and_two_versions_stay_loaded(
    promoted: Settings, days: tuple[ArtifactStore, list[Bundle]]
) -> None:
    store, (one, two, *_) = days
    promote(store, promoted, one.bundle_id, silent)
    live = promote(store, promoted, two.bundle_id[:6], silent)
    assert (live.bundle_id, live.as_of, live.before[0]) == (two.bundle_id, two.manifest.as_of, one.bundle_id)
    assert find_live(store) == live
    held = live_path(store)
    assert held is not None and Bundle.open(held, verify=True).manifest == two.manifest
    folder = repository_path(promoted)
    assert live_version(folder) == live.version
    assert {bundle_path(folder, v).name for v in versions(folder)} == {one.bundle_id, two.bundle_id}
    assert promote(store, promoted, two.bundle_id, silent) == live, "a second promotion has no effect"
    server = psutil.Process(Triton(promoted).status().pid)
    # The processes of an unloaded version end with a delay.
    assert wait_until(lambda: graph_runners(server, folder) == 2 * promoted.triton_instances)


def graph_runners(server: psutil.Process, folder: Path) -> int:
    """Returns the number of processes that run the whole graph, over all loaded versions."""
    commands = []
    for child in server.children():
        with suppress(psutil.NoSuchProcess):
            commands.append(" ".join(child.cmdline()) if child.status() != psutil.STATUS_ZOMBIE else "")
    return sum(f"{folder}/graph_runner/" in command for command in commands)


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["corrupt", "worse", "no_gate_report", "broken"])
def test_an_invalid_bundle_is_refused_with_the_reason(
    promoted: Settings, days: tuple[ArtifactStore, list[Bundle]], harm: str
) -> None:
    store, (one, *_) = days
    live = promote(store, promoted, one.bundle_id, silent)
    number = 10 + len(harm)
    bad = add(
        store, number, failed="not_worse_than_live" if harm == "worse" else "", evaluated=harm != "no_gate_report"
    )
    if harm == "corrupt":
        damage(bad)
    if harm == "broken":
        bad = break_tower(store, number)
    reasons = {
        "corrupt": "A bundle is damaged: finetuned_bundle",
        "worse": "did not pass its gates:\n  not_worse_than_live: 0.1 is below 0.2",
        "no_gate_report": "has no gate report",
        "broken": r"graph_runner version \d+: .*cannot be loaded as an ONNX model",
    }
    with pytest.raises(ActionableError, match=reasons[harm]):
        promote(store, promoted, bad.bundle_id, silent)
    assert find_live(store) == live
    assert Client(promoted).recommend(5).bundle_id == one.bundle_id
    shutil.rmtree(store.folder("finetuned_bundle", (AS_OF + timedelta(days=number)).isoformat()))


def break_tower(store: ArtifactStore, number: int) -> Bundle:
    """Returns a complete bundle that passed its gates, and that no server can load."""
    from rec_assets.bundles.bundle import PART_FILES, write_bundle

    day = AS_OF + timedelta(days=number)
    made = Bundle.open(store.get("finetuned_bundle", day.isoformat()).path)
    with store.publish("finetuned_bundle", day.isoformat()) as draft:
        parts = {part: shutil.copytree(made.path / part, draft.path / ".." / f".{part}") for part in PART_FILES}
        (parts["query_tower"] / "model.onnx").write_bytes(b"no model")
        write_bundle(
            draft.path,
            parts,
            as_of=day,
            parent=None,
            metrics={},
            config=made.manifest.config,
            source="retail",
            made_from={},
        )
        for folder in parts.values():
            shutil.rmtree(folder)
    bundle = Bundle.open(store.get("finetuned_bundle", day.isoformat()).path)
    save_gate_report(store, bundle.bundle_id, [Gate(name=name, passed=True, message="fine") for name in GATES])
    return bundle


@pytest.mark.slow
def test_a_second_promotion_waits_for_the_first(promoted: Settings, days: tuple[ArtifactStore, list[Bundle]]) -> None:
    store, (one, two, *_) = days
    lines: list[str] = []
    with ThreadPoolExecutor(2) as threads:
        both = [threads.submit(promote, store, promoted, b.bundle_id, lines.append) for b in (one, two)]
        records = [task.result() for task in both]
    assert find_live(store) in records
    last = max(records, key=lambda record: lines.index(f"Bundle {record.bundle_id} is live"))
    assert Client(promoted).recommend(5).bundle_id == last.bundle_id
    # All lines of one promotion come before all lines of the other.
    switches = [line.split()[1] for line in lines if line.startswith("Bundle")]
    assert switches in ([one.bundle_id] * 2 + [two.bundle_id] * 2, [two.bundle_id] * 2 + [one.bundle_id] * 2)


def test_without_a_server_nothing_is_promoted_and_the_error_has_the_next_step(
    store: ArtifactStore, tmp_path: Path
) -> None:
    from rec_assets_tests.servers import free_port

    bundle = add(store, 1)
    with pytest.raises(ActionableError, match=r"(?s)could not load.*rec up"):
        promote(store, Settings(home=tmp_path, triton_grpc_port=free_port()), bundle.bundle_id, silent)
    assert find_live(store) is None
