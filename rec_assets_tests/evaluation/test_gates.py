"""Every gate passes a good bundle and has a case that it refuses."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import faiss
import numpy as np
import polars as pl
import pytest

from rec_assets.bundles.bundle import Bundle, write_bundle
from rec_assets.bundles.export_report import write_difference
from rec_assets.bundles.gate_results import GATES
from rec_assets.evaluation.bundles.compare import CANDIDATE, LIVE, MIN_USERS, POPULARITY, BundleComparison
from rec_assets.evaluation.bundles.gates import GateInputs, run_gates
from rec_assets.settings import Settings
from rec_assets_tests.servers import free_port

Change = Callable[[Path], object]


class GivenComparison(GateInputs):
    """Inputs whose comparison has one holdout user with these values of the metric."""

    comparison = BundleComparison(pl.DataFrame({"user_id": [1, 2], CANDIDATE: [0.2, 0.2], LIVE: 0.2, POPULARITY: 0.1}))


def inputs_for(bundle: Path) -> GateInputs:
    settings = Settings(retrieval_topk=30, ranking_topk=10, valkey_port=free_port())
    nowhere = bundle / "nowhere"
    return GivenComparison(bundle, bundle, lambda _: {"age_norm": 1e-7}, nowhere, [], nowhere, settings, 0, 0)


def failed(inputs: GateInputs) -> dict[str, str]:
    gates = run_gates(inputs)
    assert [gate.name for gate in gates] == list(GATES)
    return {gate.name: gate.message for gate in gates if not gate.passed}


def written(bundle: Bundle, folder: Path, change: Change = lambda parts: None) -> Path:
    """Writes a bundle of the same parts after a change to them."""
    parts = {name: Path(shutil.copytree(bundle.path / name, folder / "parts" / name)) for name in bundle.manifest.parts}
    for part in ("query_tower", "dlrm"):
        write_difference(parts[part], 1e-7)
    change(folder / "parts")
    facts = bundle.manifest.model_dump(include={"as_of", "parent", "metrics", "source", "made_from"})
    write_bundle(folder / "bundle", parts, config=bundle.manifest.config, **facts)
    return folder / "bundle"


def swap_items(parts: Path) -> None:
    vectors = np.load(parts / "item_index" / "vectors.npy")[3:]
    ids = pl.read_parquet(parts / "catalogue" / "items.parquet")["item_id"].to_numpy().astype(np.int64)
    index = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
    index.add_with_ids(vectors, np.roll(ids, 1))
    faiss.write_index(index, str(parts / "item_index" / "index.faiss"))


def change_item_scalars(parts: Path) -> None:
    """Changes a table of the factored ranker."""
    file = parts / "dlrm" / "item_scalars.npy"
    np.save(file, np.load(file) + 1)


def test_a_good_bundle_passes_all_gates(tiny_bundle: Bundle, tmp_path: Path) -> None:
    assert failed(inputs_for(written(tiny_bundle, tmp_path))) == {}


@pytest.mark.parametrize(
    ("gate", "change", "message"),
    [
        ("onnx_equals_checkpoint", lambda parts: write_difference(parts / "dlrm", 1e-3), "dlrm differs by 0.001"),
        ("onnx_equals_checkpoint", change_item_scalars, "factored dlrm differs by 0."),
        ("index_recall", swap_items, "against exact search is 0."),
        (
            "answers_requests",
            lambda parts: (parts / "query_tower" / "model.onnx").write_text("nothing"),
            "cannot be loaded as an ONNX model",
        ),
    ],
)
def test_a_bundle_with_a_bad_part_is_refused(
    tiny_bundle: Bundle, tmp_path: Path, gate: str, change: Change, message: str
) -> None:
    assert message in failed(inputs_for(written(tiny_bundle, tmp_path, change)))[gate]


def test_a_bundle_that_was_changed_is_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    bundle = written(tiny_bundle, tmp_path)
    (bundle / "signals" / "more").write_text("1")
    assert "was changed after it was written: signals" in failed(inputs_for(bundle))["parts_belong_together"]


def test_lookups_that_differ_from_nvtabular_are_refused(tiny_bundle: Bundle, tmp_path: Path) -> None:
    inputs = replace(inputs_for(written(tiny_bundle, tmp_path)), lookup_differences=lambda _: {"age": 0, "price": 0.5})
    assert failed(inputs) == {"lookups_match_nvtabular": "the largest difference is 0.5 (price)"}


def compared(users: int, values: dict[str, float]) -> BundleComparison:
    """Returns a comparison in which all users have the same scores."""
    scores = pl.DataFrame({"user_id": range(users)})
    return BundleComparison(scores.with_columns(**{name: pl.lit(value) for name, value in values.items()}))


def test_a_few_users_do_not_tell_that_a_bundle_is_worse_than_popularity(
    tiny_bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {CANDIDATE: 0.05, LIVE: 0.05, POPULARITY: 0.1}
    monkeypatch.setattr(GivenComparison, "comparison", compared(MIN_USERS - 1, values))
    gates = {gate.name: gate for gate in run_gates(inputs_for(written(tiny_bundle, tmp_path)))}
    assert gates["better_than_popularity"].passed
    assert "too few users" in gates["better_than_popularity"].message


@pytest.mark.parametrize(
    ("gate", "values", "message"),
    [
        ("better_than_popularity", {CANDIDATE: 0.05, LIVE: 0.05, POPULARITY: 0.1}, "popularity's is 0.1000"),
        ("not_worse_than_live", {CANDIDATE: 0.2, LIVE: 0.3, POPULARITY: 0.1}, "the live bundle's is 0.3000"),
    ],
)
def test_a_bundle_with_worse_lists_is_refused(
    tiny_bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    gate: str,
    values: dict[str, float],
    message: str,
) -> None:
    monkeypatch.setattr(GivenComparison, "comparison", compared(MIN_USERS, values))
    reasons = failed(inputs_for(written(tiny_bundle, tmp_path)))
    assert set(reasons) == {gate} and message in reasons[gate]
