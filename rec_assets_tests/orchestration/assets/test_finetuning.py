"""Fine-tunes of three days after the full training of the session's pipeline. The third day has no rows."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import numpy.typing as npt
import polars as pl
import pytest
from dagster import DagsterInstance

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.provenance import Lineage
from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.runs.dagster_home import prepare_dagster_home
from rec_assets.serving.client import Client
from rec_assets.serving.runner import load_stages, run
from rec_assets.settings import Settings, get_settings
from rec_assets.storage.artifacts.store import ArtifactStore
from rec_assets_tests.pipeline import Pipeline, definitions, settings_from

pytestmark = pytest.mark.slow
MADE = ("replay_set", "finetune_set", "daily_item_index", "finetuned_query_tower", "finetuned_dlrm", "finetuned_bundle")


def day_after(settings: Settings, days: int) -> str:
    return (settings.as_of + timedelta(days=days)).isoformat()


def materialize_day(job: str, day: str, last: str = "", *, gates_pass: bool = True) -> None:
    """Runs a job for a day, or for all days up to `last` in one run, like a backfill."""
    defs = definitions()
    from rec_assets.orchestration.runs.run_local import PARTITION_RANGE

    prepare_dagster_home(get_settings())
    days = {"tags": dict(zip(PARTITION_RANGE, (day, last), strict=True))} if last else {"partition_key": day}
    with DagsterInstance.get() as instance:
        result = defs.resolve_job_def(job).execute_in_process(instance=instance, raise_on_error=False, **days)
    assert result.success is gates_pass


@pytest.fixture(scope="module")
def with_another_future(built_pipeline: Pipeline) -> dict[tuple[str, str], str]:
    """Builds two days in one run, with wrong rows on the second day; returns the digests, then restores the rows."""
    with settings_from(built_pipeline.environment) as settings:
        first, second = (day_after(settings, n) for n in (1, 2))
        materialize_day("daily_data", first, second)
        true_rows = {}
        for asset in ("joined_interactions", "masked_train_set"):
            true_rows[asset] = rows = pl.read_parquet(built_pipeline.artifact(asset, second) / "rows.parquet")
            write_rows(built_pipeline.store, asset, second, rows.with_columns(item_id=rows["item_id"].reverse()))
        # The wrong rows fail the gates of the second bundle. The bundle is written anyway.
        materialize_day("fine_tuning", first, second, gates_pass=False)
        digests = {
            (asset, day): built_pipeline.artifact(asset, day).digest for asset in MADE for day in (first, second)
        }
        for asset, rows in true_rows.items():
            write_rows(built_pipeline.store, asset, second, rows)
        return digests


@pytest.fixture(scope="module")
def finetuned(built_pipeline: Pipeline, with_another_future: dict[tuple[str, str], str]) -> Iterator[Pipeline]:
    with settings_from(built_pipeline.environment) as settings:
        first, second, empty = (day_after(settings, n) for n in (1, 2, 3))
        materialize_day("fine_tuning", first, second)
        for asset in ("joined_interactions", "masked_train_set"):
            rows = pl.read_parquet(built_pipeline.artifact(asset, second) / "rows.parquet")
            write_rows(built_pipeline.store, asset, empty, rows.head(0))
        materialize_day("fine_tuning", empty)
        yield built_pipeline


def write_rows(store: ArtifactStore, asset: str, day: str, rows: pl.DataFrame) -> None:
    with store.publish(asset, day) as draft:
        rows.write_parquet(draft.path / "rows.parquet")


def weights(store: ArtifactStore, asset: str, day: str) -> list[npt.NDArray[Any]]:
    with np.load(store.get(asset, day) / "weights.npz") as arrays:
        return [arrays[name] for name in arrays.files]


def vectors_by_item(folder: Path, items: Path) -> dict[int, bytes]:
    table = np.load(folder / "vectors.npy")
    with np.load(items) as arrays:
        raw_ids = arrays["raw_ids"]
    return {int(raw): vector.tobytes() for raw, vector in zip(raw_ids, table, strict=True) if raw >= 0}


def test_a_fine_tune_starts_from_the_day_before_and_not_from_itself(finetuned: Pipeline) -> None:
    full, (first, second) = finetuned.day, (day_after(finetuned.settings, n) for n in (1, 2))
    for asset in ("finetuned_query_tower", "finetuned_dlrm"):
        lineages = [Lineage.read(finetuned.artifact(asset, day).path) for day in (first, second)]
        assert [(one.base, one.parent) for one in lineages] == [(full, full), (full, first)]


@pytest.mark.parametrize("model", [("two_tower_model", "finetuned_query_tower"), ("dlrm_model", "finetuned_dlrm")])
def test_the_day_changes_the_model(finetuned: Pipeline, model: tuple[str, str]) -> None:
    before = weights(finetuned.store, model[0], finetuned.day)
    after = weights(finetuned.store, model[1], day_after(finetuned.settings, 1))
    changed = [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    assert any(changed)


def test_items_stay_where_they_are_and_new_ones_join_them(finetuned: Pipeline) -> None:
    day = day_after(finetuned.settings, 2)
    before = vectors_by_item(finetuned.artifact("faiss_index").path, finetuned.artifact("training_set") / "items.npz")
    after = vectors_by_item(
        finetuned.artifact("daily_item_index", day).path, finetuned.artifact("finetune_set", day) / "items.npz"
    )
    assert {item: vector for item, vector in after.items() if item in before} == before
    catalog = pl.read_parquet(finetuned.artifact("raw_items", "all") / "items.parquet")
    new_items = catalog.filter(
        (pl.col("first_day") > finetuned.settings.as_of) & (pl.col("first_day") <= pl.lit(day).str.to_date())
    )
    assert set(after) - set(before) == set(new_items["item_id"]) != set()


def test_a_day_again_gives_the_same_bytes_whatever_comes_after_it(
    finetuned: Pipeline, with_another_future: dict[tuple[str, str], str]
) -> None:
    first, second = (day_after(finetuned.settings, n) for n in (1, 2))
    again = {asset: finetuned.artifact(asset, first).digest for asset in MADE}
    assert again == {asset: with_another_future[asset, first] for asset in MADE}
    last = finetuned.artifact("finetuned_bundle", second).digest
    assert last != with_another_future["finetuned_bundle", second], "the wrong rows change the bundle"


def test_a_day_that_is_rewritten_makes_what_was_made_from_it_stale(finetuned: Pipeline) -> None:
    from dagster import AssetMaterialization, AssetSelection

    defs = definitions()
    from rec_assets.orchestration import jobs
    from rec_assets.orchestration.runs.stale_assets import out_of_date

    first = day_after(finetuned.settings, 1)

    def stale() -> set[str]:
        with DagsterInstance.get() as instance:
            selection = jobs.DAILY | jobs.FINETUNING - AssetSelection.assets("next_day_evaluation")
            return {key.path[-1] for key in out_of_date(defs, instance, selection, [first])[0]}

    def rewrite(version: str) -> None:
        event = AssetMaterialization("raw_interactions", partition=first, tags={"dagster/data_version": version})
        with DagsterInstance.get() as instance:
            instance.report_runless_asset_event(event)

    with settings_from(finetuned.environment) as settings:
        prepare_dagster_home(settings)
        before = stale()
        rewrite("late rows")
        late = stale()
        materialize_day("daily_data", first)
        assert {"joined_interactions", "finetune_set", "finetuned_dlrm", "finetuned_bundle"} <= late - before


def test_the_rows_of_holdout_users_are_excluded_from_training(finetuned: Pipeline) -> None:
    from rec_assets.datasets.training_set import TrainingSet
    from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP

    day = finetuned.settings.as_of + timedelta(days=1)
    data = TrainingSet.load(finetuned.artifact("finetune_set", day.isoformat()).path)
    holdout_users = data.validation.user_ids
    today = data.rows[TIMESTAMP] // 86_400 == (day - day.fromisoformat("1970-01-01")).days
    assert len(holdout_users) > 10
    assert today.any() and not today.all()
    assert not np.isin(data.rows[REQUEST_USER_ID][today], holdout_users).any()
    assert np.isin(data.rows[REQUEST_USER_ID][~today], holdout_users).any()


def test_the_next_day_evaluates_fine_tuned_and_not_fine_tuned_models(finetuned: Pipeline) -> None:
    evaluation = finetuned.artifact("next_day_evaluation", day_after(finetuned.settings, 2))
    overall = pl.read_parquet(evaluation / "metrics.parquet").filter(segment="all")
    ndcg = dict(overall.select("method", "ndcg@10").iter_rows())
    assert set(ndcg) == {"fine-tuned", "not fine-tuned", "popularity", "best possible"}
    assert ndcg["popularity"] < ndcg["fine-tuned"] < ndcg["best possible"]
    first = finetuned.artifact("next_day_evaluation", day_after(finetuned.settings, 1))
    assert pl.read_parquet(first / "metrics.parquet").is_empty()


def test_a_day_without_rows_changes_no_weights_and_has_no_metrics(finetuned: Pipeline) -> None:
    second, empty = (day_after(finetuned.settings, n) for n in (2, 3))
    for asset in ("finetuned_query_tower", "finetuned_dlrm"):
        pairs = zip(weights(finetuned.store, asset, second), weights(finetuned.store, asset, empty), strict=True)
        assert all(np.array_equal(a, b) for a, b in pairs)
    assert pl.read_parquet(finetuned.artifact("finetune_evaluation", empty) / "metrics.parquet").is_empty()


def test_the_bundle_descends_from_the_one_before_and_answers(finetuned: Pipeline) -> None:
    first, second = (day_after(finetuned.settings, n) for n in (1, 2))
    full, one, two = (
        Bundle.open(finetuned.artifact(asset, day).path, verify=True)
        for asset, day in (("model_bundle", finetuned.day), ("finetuned_bundle", first), ("finetuned_bundle", second))
    )
    assert (one.manifest.parent, two.manifest.parent) == (full.bundle_id, one.bundle_id)
    measured = one.manifest.metrics["fine-tuned all"]
    assert isinstance(measured, float) and measured > 0
    later = one.lookups.vocabularies["item_id"][full.lookups.size("item_id") - 3 :]
    answer = run(load_stages(two, finetuned.settings), {"user_id": np.array([1, -1], np.int32)})
    assert len(answer["ordered_ids"]) == 2 * finetuned.settings.ranking_topk
    catalog = set(two.catalog()["item_id"])
    assert set(answer["ordered_ids"].tolist()) <= catalog
    assert set(later.tolist()) <= catalog


def test_a_worse_a_corrupt_and_a_mixed_bundle_are_refused_with_the_reason(finetuned: Pipeline, tmp_path: Path) -> None:
    from rec_assets.bundles.bundle import PART_FILES, write_bundle
    from rec_assets.evaluation.bundles.gates import run_gates
    from rec_assets.orchestration.checks import gate_inputs

    first, second = (day_after(finetuned.settings, n) for n in (1, 2))
    good = Bundle.open(finetuned.artifact("finetuned_bundle", second).path)
    facts = good.manifest.model_dump(include={"as_of", "parent", "metrics", "source", "made_from"})
    facts["config"] = good.manifest.config

    def failed(bundle: Path) -> dict[str, str]:
        inputs = replace(gate_inputs(finetuned.store, "finetuned_bundle", second, finetuned.settings), bundle=bundle)
        return {gate.name: gate.message for gate in run_gates(inputs) if not gate.passed}

    assert failed(good.path) == {}
    parts = {part: Path(shutil.copytree(good.path / part, tmp_path / part)) for part in PART_FILES}
    vectors = np.load(parts["item_index"] / "vectors.npy")
    popular = pl.read_parquet(parts["catalogue"] / "items.parquet")["item_id"]
    worst_first = faiss.IndexIDMap2(faiss.IndexFlatIP(vectors.shape[1]))
    worst_first.add_with_ids(-vectors[3:], popular.to_numpy().astype(np.int64))
    faiss.write_index(worst_first, str(parts["item_index"] / "index.faiss"))
    np.save(parts["item_index"] / "vectors.npy", -vectors)
    # The other sources would still find good items: without repeats and with the least popular items first, none does.
    signals = np.load(parts["signals"] / "signals.npy")
    signals["popularity_week"] = signals["popularity_week"].max() - signals["popularity_week"]
    np.save(parts["signals"] / "signals.npy", signals)
    np.save(parts["item_index"] / "neighbor_weights.npy", 0 * np.load(parts["item_index"] / "neighbor_weights.npy"))
    bad = facts | {"config": good.manifest.config.model_copy(update={"repeats": False})}
    write_bundle(tmp_path / "worse", parts, **bad)
    worse = failed(tmp_path / "worse")
    assert set(worse) >= {"not_worse_than_live"}
    assert "the live bundle's is" in worse["not_worse_than_live"]

    corrupt = Path(shutil.copytree(good.path, tmp_path / "corrupt"))
    (corrupt / "dlrm" / "model.onnx").write_bytes(b"nothing")
    assert "was changed after it was written: dlrm" in failed(corrupt)["parts_belong_together"]

    other = Bundle.open(finetuned.artifact("finetuned_bundle", first).path)
    mixed = {part: good.path / part for part in PART_FILES} | {"item_index": other.path / "item_index"}
    with pytest.raises(ActionableError, match=r"(?s)catalogue has codes .*, but item_index has codes"):
        write_bundle(tmp_path / "mixed", mixed, **facts)


def test_the_sensor_promotes_every_day_once_and_in_order(finetuned: Pipeline) -> None:
    from dagster import RunRequest, build_sensor_context

    defs = definitions()
    from rec_assets.orchestration.runs.run_local import promote

    prepare_dagster_home(finetuned.settings)
    sensor, job = defs.get_sensor_def("promotion_sensor"), defs.resolve_job_def("promote")
    promoted: list[str] = []
    with DagsterInstance.get() as instance:
        cursor = None
        for _ in range(8):
            resources = {name: (defs.resources or {})[name] for name in ("artifacts", "settings")}
            with build_sensor_context(instance=instance, cursor=cursor, resources=resources) as context:
                tick = sensor.evaluate_tick(context)
            cursor = tick.cursor
            for request in tick.run_requests or []:
                assert isinstance(request, RunRequest)
                assert job.execute_in_process(instance=instance, run_config=request.run_config).success
                promoted.append(Client(finetuned.settings).recommend(1).bundle_id)
    days = [day_after(finetuned.settings, n) for n in (1, 2, 3)]
    promote(finetuned.settings, Bundle.open(finetuned.artifact("model_bundle").path).bundle_id)
    # The full training was already live. Rebuilt days are the same bundles, so they are promoted once.
    assert promoted == [Bundle.open(finetuned.artifact("finetuned_bundle", day).path).bundle_id for day in days]
