"""Tests the whole graph: all assets once, no rebuild of fresh assets, identical results of rebuilds, and serving."""

import json
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dagster import AssetKey, DagsterInstance

from rec_assets.bundles.bundle import Bundle
from rec_assets.bundles.gate_results import find_gate_report
from rec_assets.bundles.live_record import find_live
from rec_assets.serving.client import Client
from rec_assets.serving.runner import load_stages, run
from rec_assets.serving.translation import Device
from rec_assets.serving.triton.model_repository import live_version, repository_path
from rec_assets_tests.pipeline import Pipeline, materialize

pytestmark = pytest.mark.slow


def test_everything_was_materialized(pipeline: Pipeline) -> None:
    assert pipeline.materialized == 26
    days = [(pipeline.settings.start_date + timedelta(days=n)).isoformat() for n in range(5)]
    assert pipeline.store.partitions("raw_interactions")[:5] == days  # other tests add days
    assert pipeline.store.partitions("model_bundle") == [pipeline.day]


def test_fresh_assets_are_not_rebuilt(pipeline: Pipeline) -> None:
    from rec_assets.orchestration.runs.run_local import materialize_stale

    assert materialize_stale(pipeline.settings) == 0


def test_rebuilding_a_day_that_did_not_change_leaves_everything_below_it_fresh(pipeline: Pipeline) -> None:
    from rec_assets.orchestration.runs.run_local import materialize_stale

    before = pipeline.artifact("raw_items", "all").digest
    with DagsterInstance.get() as instance:
        materialize(["raw_items", "raw_users"], instance=instance)
    assert pipeline.artifact("raw_items", "all").digest == before
    assert materialize_stale(pipeline.settings) == 0


def test_training_again_gives_the_same_model(pipeline: Pipeline) -> None:
    assets = ["nvt_workflows", "training_set", "two_tower_model", "item_embeddings", "faiss_index"]
    before = {asset: pipeline.artifact(asset).digest for asset in assets[1:]}
    with DagsterInstance.get() as instance:
        assert materialize(assets, instance=instance, partition_key=pipeline.day).success
    assert {asset: pipeline.artifact(asset).digest for asset in before} == before


def test_the_models_beat_popularity_and_ranking_keeps_the_order(pipeline: Pipeline) -> None:
    table = pl.read_parquet(pipeline.artifact("model_evaluation") / "metrics.parquet")
    overall = {row["method"]: row for row in table.filter(track="all", segment="all").iter_rows(named=True)}
    baselines = {"popularity", "popularity by context", "repeat", "item-kNN", "ALS", "repeat, then ALS"}
    assert set(overall) == baselines | {"retrieval", "ranked", "best possible"}
    assert overall["retrieval"]["recall@100"] > overall["popularity"]["recall@100"]
    assert overall["ranked"]["ndcg@10"] > 1.2 * overall["popularity"]["ndcg@10"]
    # Four epochs of 400 lists hardly move the order; the gate compares with standard errors.
    assert overall["ranked"]["ndcg@10"] >= 0.98 * overall["retrieval"]["ndcg@10"]
    assert overall["best possible"]["ndcg@10"] > overall["ranked"]["ndcg@10"]


def test_the_exported_workflow_gives_what_nvtabular_gives(pipeline: Pipeline) -> None:
    from rec_assets.preprocessing.parity import largest_differences

    differences = largest_differences(pipeline.artifact("nvt_workflows").path)
    assert len(differences) == 15
    integers = {
        "user_id",
        "age_binned",
        "gender",
        "top_category",
        "item_id",
        "category_l1",
        "category_l2",
        "device_type",
    }
    assert {name for name, value in differences.items() if value == 0} >= integers
    assert max(differences.values()) < 1e-6


def test_the_exported_models_give_what_tensorflow_gives(pipeline: Pipeline) -> None:
    with DagsterInstance.get() as instance:
        for asset in ("query_tower", "dlrm_model"):
            event = instance.get_latest_materialization_event(AssetKey(asset))
            assert event is not None and event.asset_materialization is not None
            difference = event.asset_materialization.metadata["largest_difference_from_tensorflow"].value
            assert isinstance(difference, float) and difference < 1e-5


def test_assets_have_metadata_for_the_ui(pipeline: Pipeline) -> None:
    with DagsterInstance.get() as instance:
        for asset, keys in {
            "raw_interactions": {"rows", "duplicates_dropped", "preview", "hours"},
            "raw_items": {"images", "missing_images", "prices"},
            "two_tower_model": {"curves", "best_epoch"},
            "model_evaluation": {"track all", "track new", "plot", "reliability", "cold_users"},
            "image_embeddings": {"map", "explained_variance", "nearest_neighbor_shares_category"},
        }.items():
            event = instance.get_latest_materialization_event(AssetKey(asset))
            assert event is not None and event.asset_materialization is not None
            assert keys | {"path", "digest", "bytes", "seconds"} <= set(event.asset_materialization.metadata)


def test_towers_of_a_request_have_no_later_rows_and_served_towers_have_all(pipeline: Pipeline) -> None:
    from rec_assets.datasets.neighbors.item_neighbors import item_neighbors, training_log
    from rec_assets.datasets.ranking_window import before_window
    from rec_assets.datasets.training_set import TrainingSet
    from rec_assets.features.columns import TIMESTAMP
    from rec_assets.features.signals.neighbors import Neighbors
    from rec_assets.inference.item_vectors import VECTORS

    data = TrainingSet.load(pipeline.artifact("training_set").path)
    assert data.rows[TIMESTAMP].max() < data.last_rows[TIMESTAMP].min()
    assert pipeline.day == str(np.datetime64(int(data.last_rows[TIMESTAMP].max()), "s").astype("datetime64[D]"))
    towers = pipeline.artifact("two_tower_model").path
    folders = [towers / "ranking_retrieval", towers / "validation_retrieval", pipeline.artifact("faiss_index").path]
    for before, after in pairwise([np.load(folder / VECTORS) for folder in folders]):
        assert before.shape == after.shape
        assert not np.allclose(before, after)
    logs = [training_log(before_window(data, pipeline.settings.valid_days)), training_log(data)]
    for folder, log in zip(folders[:2], logs, strict=True):
        expected = item_neighbors(log, len(data.items.raw_ids))
        assert np.array_equal(Neighbors.load(folder).item_ids, expected.item_ids)


def test_training_scores_candidates_as_the_exported_ranker_does(pipeline: Pipeline) -> None:
    import tensorflow as tf

    from rec_assets.datasets.retrieve import Retrieval
    from rec_assets.datasets.rows import as_columns
    from rec_assets.datasets.training_set import TrainingSet
    from rec_assets.features.columns import RANKER_FEATURES
    from rec_assets.training.ranking.score import CandidateScorer
    from rec_assets.training.ranking.train import restore_ranker

    data = TrainingSet.load(pipeline.artifact("training_set").path)
    folder = pipeline.artifact("two_tower_model") / "validation_retrieval"
    retrieval = Retrieval(folder / "model.onnx", folder, data.items, data.log, data.repeats)
    requests = data.validation.sample(20, 0).columns
    candidates = retrieval(requests, pipeline.settings.retrieval_topk)
    model = restore_ranker(data, pipeline.artifact("dlrm_model").path)
    model.train_on(data.items.features)
    logits = CandidateScorer(model, requests, candidates, retrieval)()
    columns = retrieval.ranking_columns(requests, candidates)
    inputs = as_columns({name: columns[name] for name in RANKER_FEATURES})
    exported = model({name: tf.constant(column) for name, column in inputs.items()}).numpy()
    assert logits.ravel() == pytest.approx(exported.ravel(), abs=1e-4)


def test_lists_of_the_ranker_have_only_items_that_were_on_sale(pipeline: Pipeline) -> None:
    from rec_assets.datasets.ranking_window import before_window
    from rec_assets.datasets.retrieve import Retrieval
    from rec_assets.datasets.training_set import TrainingSet
    from rec_assets.features.columns import TIMESTAMP
    from rec_assets.training.ranking.train import RankerConfig, lists_of_rows

    data = TrainingSet.load(pipeline.artifact("training_set").path)
    folder = pipeline.artifact("two_tower_model") / "ranking_retrieval"
    retrieval = Retrieval(folder / "model.onnx", folder, data.items, data.log, data.repeats)
    depth = pipeline.settings.retrieval_topk
    window = before_window(data, pipeline.settings.valid_days).last_rows
    lists = lists_of_rows(data, window, retrieval, RankerConfig(pipeline.settings.valid_days, depth), seed=0)
    times, listed = lists.requests[TIMESTAMP], lists.signals.item_ids
    assert data.items.on_sale(listed, times).all()
    assert not data.items.on_sale(retrieval(lists.requests, depth).item_ids, times).all()


def test_every_user_has_a_list_for_mails(pipeline: Pipeline) -> None:
    with DagsterInstance.get() as instance:
        assert materialize(["user_lists"], instance=instance, partition_key=pipeline.day).success
    lists = pl.read_parquet(pipeline.artifact("user_lists").path / "lists" / "*.parquet")
    users = pl.read_parquet(pipeline.artifact("user_features") / "user_features.parquet")
    assert lists["user_id"].n_unique() == users.height
    assert lists.group_by("user_id").agg(pl.col("rank").max())["rank"].unique().to_list() == [20]
    assert not lists.select("user_id", "item_id").is_duplicated().any()
    by_rank = lists.sort("user_id", "rank").with_columns(step=pl.col("score").diff().over("user_id"))
    assert by_rank.filter(pl.col("step") > 0).is_empty()


def test_bundling_again_gives_the_same_bundle(pipeline: Pipeline) -> None:
    before = pipeline.artifact("model_bundle")
    with DagsterInstance.get() as instance:
        assert materialize(["model_bundle"], instance=instance, partition_key=pipeline.day).success
    assert pipeline.artifact("model_bundle") == before


def test_the_bundle_is_complete_and_records_its_origin(pipeline: Pipeline) -> None:
    bundle = Bundle.open(pipeline.artifact("model_bundle").path, verify=True)
    assert bundle.manifest.as_of.isoformat() == pipeline.day
    assert bundle.manifest.source == "retail"
    assert "ranked all" in bundle.manifest.metrics


@pytest.mark.parametrize("user", [1, 17, 400, -1, 10_000_000])
@pytest.mark.parametrize(("device", "hour"), [("mobile", 20), ("desktop", 9), (None, 3)])
def test_triton_answers_as_the_stages_do_in_one_process(
    pipeline: Pipeline, user: int, device: Device | None, hour: int
) -> None:
    from rec_assets.serving.graph.request import DEVICE_TYPES

    bundle = Bundle.open(pipeline.artifact("model_bundle").path)
    at = 1_742_000_000 // 86_400 * 86_400 + hour * 3600
    answer = Client(pipeline.settings).recommend(user, device, at)
    request = {"user_id": [user], "device_type": [DEVICE_TYPES[device] if device else -1], "timestamp": [at]}
    alone = run(load_stages(bundle, pipeline.settings), {k: np.array(v, np.int32) for k, v in request.items()})
    assert answer.item_ids.tolist() == alone["ordered_ids"].tolist()
    np.testing.assert_allclose(answer.scores, alone["ordered_scores"], atol=1e-6)
    assert len(answer) == pipeline.settings.ranking_topk


def test_the_list_of_an_anonymous_user_changes_with_device_and_time(pipeline: Pipeline) -> None:
    client, midnight = Client(pipeline.settings), 1_742_000_000 // 86_400 * 86_400
    evening = client.recommend(-1, "mobile", midnight + 20 * 3600).item_ids
    morning = client.recommend(-1, "desktop", midnight + 9 * 3600).item_ids
    assert evening.tolist() != morning.tolist()


def test_seen_items_vanish_and_come_back_when_forgotten(pipeline: Pipeline) -> None:
    client, user, at = Client(pipeline.settings), 5, 1_742_000_000
    before = client.recommend(user, "desktop", at).item_ids.tolist()
    assert client.events.wait(client.record(user, before[:2], at), 5)
    during = client.recommend(user, "desktop", at).item_ids.tolist()
    assert client.events.wait(client.forget(user), 5)
    assert not set(before[:2]) & set(during)
    assert client.recommend(user, "desktop", at).item_ids.tolist() == before


def test_the_bundle_passed_its_gates_and_is_live_on_the_running_server(pipeline: Pipeline) -> None:
    bundle = Bundle.open(pipeline.artifact("model_bundle").path)
    live, report = find_live(pipeline.store), find_gate_report(pipeline.store, bundle.bundle_id)
    assert report is not None and report.passed and not report.reasons
    assert live is not None and live.bundle_id == bundle.bundle_id
    assert Client(pipeline.settings).recommend(1).bundle_id == bundle.bundle_id
    versions = json.loads((pipeline.artifact("triton_versions", "all") / "versions.json").read_text())
    assert versions[str(live_version(repository_path(pipeline.settings)))] == bundle.bundle_id


def test_a_bad_day_fails_with_the_reason_and_leaves_the_day_before_it_readable(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rec_assets.orchestration.assets.data import raw
    from rec_assets.sources.files import FilesSource, export
    from rec_assets.sources.retail import RetailParameters, RetailSource

    day = pipeline.settings.start_date
    export(RetailSource(RetailParameters(users=800, items=300, interactions_per_day=100)), tmp_path, [day])
    file = next(tmp_path.glob(f"*{day}*.parquet"))
    pl.read_parquet(file).drop("timestamp").write_parquet(file)
    monkeypatch.setattr(raw, "open_source", lambda settings, codes: FilesSource(str(tmp_path), day))
    before = pipeline.artifact("raw_interactions", day.isoformat())
    result = materialize(["raw_interactions"], partition_key=day.isoformat(), raise_on_error=False)
    failure = next(event for event in result.all_events if event.is_step_failure)
    assert f"{file.name} has no column 'timestamp'" in str(failure.event_specific_data)
    assert pipeline.artifact("raw_interactions", day.isoformat()) == before
