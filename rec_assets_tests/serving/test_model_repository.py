"""Tests of the model repository on disk."""

import json
import shutil
from pathlib import Path

import pytest

from rec_assets.bundles.bundle import Bundle
from rec_assets.common.errors import ActionableError
from rec_assets.serving.graph.spec import STAGES
from rec_assets.serving.triton.model_config import ENSEMBLE, RECOMMENDER, parameters_of, render
from rec_assets.serving.triton.model_repository import (
    COMMITTED,
    bundle_id,
    bundle_path,
    live_version,
    prune,
    publish,
    remove,
    renew_models,
    switch,
    version_of,
    versions,
)
from rec_assets.settings import Settings, get_settings
from rec_assets_tests.serving.synthetic import make_bundle

ROOT = Path(__file__).parents[2]


@pytest.fixture
def defaults() -> Settings:
    return Settings.model_construct()


def test_the_committed_repository_is_what_the_graph_renders(defaults: Settings) -> None:
    folder = ROOT / COMMITTED
    committed = {file.relative_to(folder).as_posix(): file.read_text() for file in folder.rglob("*") if file.is_file()}
    assert committed == render(defaults), "run python -m rec_assets.serving.triton.model_repository"


def test_the_repository_has_a_model_for_every_stage_one_for_the_graph_and_both_topologies(defaults: Settings) -> None:
    stages = {spec.name for spec in STAGES}
    others = {ENSEMBLE, "graph_runner", RECOMMENDER, "related_items", "related_lists"}
    assert {name.split("/")[0] for name in render(defaults)} == stages | others
    assert len(stages) == 14


def test_publishing_adds_a_version_to_every_model_and_leaves_the_live_one(tiny_bundle: Bundle, tmp_path: Path) -> None:
    assert publish(tiny_bundle, tmp_path) == 1
    assert live_version(tmp_path) is None
    switch(tmp_path, 1)
    assert publish(tiny_bundle, tmp_path) == 2
    assert (live_version(tmp_path), versions(tmp_path)) == (1, [1, 2])
    assert Bundle.open(bundle_path(tmp_path, 2), verify=True).manifest == tiny_bundle.manifest
    assert bundle_id(tmp_path, 2) == tiny_bundle.bundle_id
    assert not list(tmp_path.rglob(".draft-*")) and not (tmp_path / ".staging").exists()


def test_switching_pins_every_step_of_the_ensemble_and_names_the_bundle(tiny_bundle: Bundle, tmp_path: Path) -> None:
    switch(tmp_path, publish(tiny_bundle, tmp_path, 7))
    for name, steps in ((ENSEMBLE, 14), (RECOMMENDER, 1), ("related_items", 1)):
        config = (tmp_path / name / "config.pbtxt").read_text()
        assert config.count("model_version: 7") == steps
        assert parameters_of(config) == {"bundle_version": "7", "bundle_id": tiny_bundle.bundle_id}
        assert (tmp_path / name / "1").is_dir()


def test_a_repository_of_a_release_without_the_recommender_has_nothing_live(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    switch(tmp_path, publish(tiny_bundle, tmp_path))
    for name in (RECOMMENDER, "graph_runner"):
        shutil.rmtree(tmp_path / name)
    assert (live_version(tmp_path), versions(tmp_path)) == (None, [])
    switch(tmp_path, publish(tiny_bundle, tmp_path))
    assert (live_version(tmp_path), versions(tmp_path)) == (2, [2])


def test_a_member_whose_configuration_stays_equal_is_not_written_again(tiny_bundle: Bundle, tmp_path: Path) -> None:
    config = tmp_path / "query_tower" / "config.pbtxt"
    publish(tiny_bundle, tmp_path)
    before = config.stat().st_mtime_ns
    publish(tiny_bundle, tmp_path)
    assert config.stat().st_mtime_ns == before


def test_deployment_knobs_and_the_number_of_processes_reach_the_configuration(
    tiny_bundle: Bundle, tmp_path: Path, defaults: Settings
) -> None:
    publish(
        tiny_bundle,
        tmp_path,
        settings=defaults.model_copy(update={"retrieval_topk": 77, "triton_instances": 3}),
    )
    text = (tmp_path / "faiss_retrieval" / "config.pbtxt").read_text()
    assert parameters_of(text) == {"RETRIEVAL_TOPK": "77"}
    assert "count: 1" in text
    assert "count: 3" in (tmp_path / "graph_runner" / "config.pbtxt").read_text()


def test_a_version_is_never_overwritten(tiny_bundle: Bundle, tmp_path: Path) -> None:
    publish(tiny_bundle, tmp_path)
    with pytest.raises(ActionableError, match="Version 1 is already"):
        publish(tiny_bundle, tmp_path, 1)


def test_switching_to_an_unpublished_version_is_refused_and_lists_the_published_ones(tmp_path: Path) -> None:
    with pytest.raises(ActionableError, match=r"no version 4 \(it has none\)"):
        switch(tmp_path, 4)


def test_pruning_keeps_the_live_version_and_the_newest_of_each_named_bundle(
    tiny_bundle: Bundle, tmp_path: Path
) -> None:
    other = make_bundle(tmp_path / "other", seed=1)
    models = tmp_path / "models"
    for bundle in (tiny_bundle, tiny_bundle, other, tiny_bundle):
        publish(bundle, models)
    switch(models, 1)
    assert prune(models, [tiny_bundle.bundle_id]) == [2, 3]
    assert versions(models) == [1, 4]
    assert (version_of(models, tiny_bundle.bundle_id), version_of(models, other.bundle_id)) == (4, None)
    assert {folder.name for folder in (models / ".bundles").iterdir()} == {tiny_bundle.bundle_id}


def test_a_version_number_is_never_used_twice(tiny_bundle: Bundle, tmp_path: Path) -> None:
    switch(tmp_path, publish(tiny_bundle, tmp_path))
    remove(tmp_path, publish(tiny_bundle, tmp_path))
    assert publish(tiny_bundle, tmp_path) == 3


def test_files_of_a_killed_run_are_pruned(tiny_bundle: Bundle, tmp_path: Path) -> None:
    switch(tmp_path, publish(tiny_bundle, tmp_path))
    publish(tiny_bundle, tmp_path)
    shutil.rmtree(tmp_path / "dlrm_ranking" / "2")
    shutil.rmtree(tmp_path / STAGES[0].name / "2")
    (tmp_path / ".bundles" / "4f2a").mkdir()
    assert prune(tmp_path, []) == [2]
    assert versions(tmp_path, complete=False) == [1]
    assert [folder.name for folder in (tmp_path / ".bundles").iterdir()] == [tiny_bundle.bundle_id]


def test_a_bundle_stays_in_the_repository_as_long_as_a_version_needs_it(tiny_bundle: Bundle, tmp_path: Path) -> None:
    publish(tiny_bundle, tmp_path)
    publish(tiny_bundle, tmp_path)
    kept = bundle_path(tmp_path, 2)
    remove(tmp_path, 1)
    assert kept.is_dir()
    remove(tmp_path, 2)
    assert not kept.exists()
    assert tiny_bundle.path.is_dir()


def test_a_repository_can_be_moved(tiny_bundle: Bundle, tmp_path: Path) -> None:
    publish(tiny_bundle, tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    pointer = json.loads((tmp_path / "there" / "query_tower" / "1" / "bundle.json").read_text())
    folder = tmp_path / "there" / "query_tower" / "1" / pointer["path"]
    assert Bundle.open(folder).bundle_id == pointer["bundle_id"]


def test_the_live_version_cannot_be_removed(tiny_bundle: Bundle, tmp_path: Path) -> None:
    switch(tmp_path, publish(tiny_bundle, tmp_path))
    with pytest.raises(ActionableError, match="is live"):
        remove(tmp_path, 1)


def test_versions_of_an_older_release_get_the_models_of_this_one(tiny_bundle: Bundle, tmp_path: Path) -> None:
    version = publish(tiny_bundle, tmp_path)
    switch(tmp_path, version)
    model = tmp_path / "dlrm_ranking" / str(version) / "model.py"
    configs = [tmp_path / name / "config.pbtxt" for name in ("graph_runner", "recommender")]
    published = [file.read_text() for file in (model, *configs)]
    model.write_text("from rec_assets.serving.moved_since import StageModel\n")
    for config in configs:
        config.write_text(config.read_text().replace("TYPE_INT64", "TYPE_INT32"))
    renew_models(tmp_path, get_settings())
    assert [file.read_text() for file in (model, *configs)] == published
