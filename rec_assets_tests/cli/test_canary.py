"""`rec canary` and `rec bundles` around a canary, with a real Valkey and without Triton."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.canary_record import Canary, CanaryRecord, change_canary, read_canary
from rec_assets.bundles.live_record import record_live
from rec_assets.cli import app
from rec_assets.serving.canary.board import CanaryBoard
from rec_assets.serving.canary.tally import CANDIDATE, DIFFERENCE, LIVE, MIRRORED, OVERLAP, SHADOW, answered, failed
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.stores import open_store
from rec_assets.storage.valkey import connect
from rec_assets_tests.serving.stored_bundles import add

Rec = Callable[..., str]


@pytest.fixture
def rec(valkey: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rec]:
    """Returns a function that runs `rec` in an empty home, and returns its output."""
    monkeypatch.setenv("REC_HOME", str(tmp_path))
    for name in ("valkey_port", "triton_grpc_port", "triton_metrics_port"):
        monkeypatch.setenv(f"REC_{name.upper()}", str(getattr(valkey, name)))
    get_settings.cache_clear()
    yield lambda *words: CliRunner().invoke(app, words).output
    get_settings.cache_clear()


@pytest.fixture
def candidate(rec: Rec) -> Bundle:
    """Returns a bundle with a canary, beside a live bundle."""
    store = open_store(get_settings())
    record_live(store, add(store, 1), None, None)
    bundle = add(store, 2)
    running = Canary(
        bundle_id=bundle.bundle_id,
        models_id=bundle.manifest.models_id,
        asset="finetuned_bundle",
        partition="2025-03-16",
        digest="d",
        share=0.05,
        shadow=0.01,
        started_at=datetime.now(UTC),
    )
    change_canary(store, lambda record: CanaryRecord(running=running))
    return bundle


def test_the_status_compares_both_bundles_and_says_what_follows(rec: Rec, candidate: Bundle) -> None:
    board = CanaryBoard(connect(get_settings()))
    board.add(candidate.bundle_id, {answered(CANDIDATE, 10): 280, failed(CANDIDATE): 1, answered(LIVE, 8): 5_000})
    shown = rec("canary", "status")
    assert f"bundle {candidate.bundle_id} answers 5.0% of the users" in shown
    assert "281 of 300 requests that a judgement needs" in shown
    assert "because nothing watches it" in shown
    assert "mirrored" not in shown
    mirrored = {answered(MIRRORED, 8): 10, answered(SHADOW, 9): 10, OVERLAP: 9.0, DIFFERENCE: 0.02}
    board.add(candidate.bundle_id, {answered(CANDIDATE, 10): 100} | mirrored)
    shown = rec("canary", "status")
    assert "For mirrored requests, 90% of the items are in both lists; scores differ by 0.0020." in shown
    assert "It keeps its objectives." in shown
    board.add(candidate.bundle_id, {failed(CANDIDATE): 19})
    assert "20 of 400" not in (shown := rec("canary", "status"))
    assert "will be stopped: 5.00% of 400 requests failed, 0.00% with the live bundle." in shown


def test_a_stopped_canary_has_its_reason_in_the_list_of_bundles(rec: Rec, candidate: Bundle) -> None:
    assert "canary, 5.0%" in rec("bundles")
    assert "All users get the live bundle." in rec("canary", "stop")
    shown = rec("bundles")
    assert "│ stopped" in shown
    assert f"{candidate.bundle_id} [2025-03-16] canary: stopped by a person" in shown
    assert read_canary(open_store(get_settings())).running is None
    for words in (("canary", "stop"), ("canary", "accept"), ("canary", "status")):
        assert "No canary runs." in rec(*words)


def test_without_a_live_bundle_there_is_no_canary(rec: Rec) -> None:
    bundle = add(open_store(get_settings()), 1)
    assert "No bundle is live to compare a candidate with." in rec("promote", bundle.bundle_id, "--canary", "5%")
