"""Three days after the full training of the session's pipeline: an ordinary one, one that judges it, an empty one."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dagster import DagsterInstance

from rec_assets.local.dagster_home import prepare_dagster_home
from rec_assets.serving.bundle import Bundle
from rec_assets.serving.graph_runner import load_stages, run
from rec_assets.settings import Settings, get_settings
from rec_assets.storage import ArtifactStore
from rec_assets_tests.pipeline import Pipeline, settings_from

pytestmark = pytest.mark.slow


def day_after(settings: Settings, days: int) -> str:
    return (settings.as_of + timedelta(days=days)).isoformat()


def materialize_day(job: str, day: str) -> None:
    from rec_assets.definitions import defs

    prepare_dagster_home(get_settings())
    with DagsterInstance.get() as instance:
        assert defs.resolve_job_def(job).execute_in_process(instance=instance, partition_key=day).success


@pytest.fixture(scope="module")
def finetuned(built_pipeline: Pipeline) -> Iterator[Pipeline]:
    with settings_from(built_pipeline.environment) as settings:
        first, second, empty = (day_after(settings, n) for n in (1, 2, 3))
        for day in (first, second):
            materialize_day("daily_data", day)
            materialize_day("fine_tuning", day)
        for asset in ("joined_interactions", "masked_train_set"):
            rows = pl.read_parquet(built_pipeline.artifact(asset, second) / "rows.parquet")
            with built_pipeline.store.publish(asset, empty) as draft:
                rows.head(0).write_parquet(draft.path / "rows.parquet")
        materialize_day("fine_tuning", empty)
        yield built_pipeline


def weights(store: ArtifactStore, asset: str, day: str) -> list[np.ndarray]:
    with np.load(store.get(asset, day) / "weights.npz") as arrays:
        return [arrays[name] for name in arrays.files]


def vectors_by_item(folder: Path, items: Path) -> dict[int, bytes]:
    table = np.load(folder / "vectors.npy")
    with np.load(items) as arrays:
        raw_ids = arrays["raw_ids"]
    return {int(raw): vector.tobytes() for raw, vector in zip(raw_ids, table, strict=True) if raw >= 0}


def test_a_fine_tune_goes_on_from_the_day_before_and_not_from_itself(finetuned: Pipeline) -> None:
    full, (first, second) = finetuned.day, (day_after(finetuned.settings, n) for n in (1, 2))
    for asset in ("finetuned_query_tower", "finetuned_dlrm"):
        lineage = [json.loads((finetuned.artifact(asset, day) / "lineage.json").read_text()) for day in (first, second)]
        assert lineage == [{"base": full, "parent": full}, {"base": full, "parent": first}]


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
    catalogue = pl.read_parquet(finetuned.artifact("raw_items", "all") / "items.parquet")
    came = catalogue.filter(
        (pl.col("first_day") > finetuned.settings.as_of) & (pl.col("first_day") <= pl.lit(day).str.to_date())
    )
    assert set(after) - set(before) == set(came["item_id"]) != set()


def test_a_day_again_gives_the_same_bytes_whatever_came_later(finetuned: Pipeline) -> None:
    first = day_after(finetuned.settings, 1)
    assets = ["replay_set", "finetune_set", "daily_item_index", "finetuned_query_tower", "finetuned_dlrm"]
    assets += ["finetune_evaluation", "finetuned_bundle"]
    before = {asset: finetuned.artifact(asset, first).digest for asset in assets}
    with settings_from(finetuned.environment):
        materialize_day("fine_tuning", first)
    assert {asset: finetuned.artifact(asset, first).digest for asset in assets} == before


def test_the_judging_users_rows_of_the_day_are_not_learned_from(finetuned: Pipeline) -> None:
    from rec_assets.models.rows import ASKED_BY, TIMESTAMP
    from rec_assets.models.training_set import TrainingSet

    day = finetuned.settings.as_of + timedelta(days=1)
    data = TrainingSet.load(finetuned.artifact("finetune_set", day.isoformat()).path)
    judges = data.validation.user_ids
    today = data.rows[TIMESTAMP] // 86_400 == (day - day.fromisoformat("1970-01-01")).days
    assert len(judges) > 10
    assert today.any() and not today.all()
    assert not np.isin(data.rows[ASKED_BY][today], judges).any()
    assert np.isin(data.rows[ASKED_BY][~today], judges).any()


def test_the_day_that_follows_judges_fine_tuned_and_not(finetuned: Pipeline) -> None:
    verdict = finetuned.artifact("following_day_evaluation", day_after(finetuned.settings, 2))
    overall = pl.read_parquet(verdict / "metrics.parquet").filter(segment="all")
    found = dict(overall.select("method", "ndcg@10").iter_rows())
    assert set(found) == {"fine-tuned", "not fine-tuned", "popularity", "best possible"}
    assert found["popularity"] < found["fine-tuned"] < found["best possible"]
    first = finetuned.artifact("following_day_evaluation", day_after(finetuned.settings, 1))
    assert pl.read_parquet(first / "metrics.parquet").is_empty()


def test_a_day_without_rows_changes_nothing_and_says_so(finetuned: Pipeline) -> None:
    second, empty = (day_after(finetuned.settings, n) for n in (2, 3))
    for asset in ("finetuned_query_tower",):
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
    assert one.manifest.metrics["fine-tuned all"] > 0
    later = one.lookups.vocabularies["item_id"][full.lookups.size("item_id") - 3 :]
    answer = run(load_stages(two, finetuned.settings), {"user_id": np.array([1, -1], np.int32)})
    assert len(answer["ordered_ids"]) == 2 * finetuned.settings.ranking_topk
    known = set(two.catalogue()["item_id"])
    assert set(answer["ordered_ids"].tolist()) <= known
    assert set(later.tolist()) <= known
