import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Literal

import pytest
from dagster import AssetKey, AssetsDefinition, DagsterInstance, OpDefinition, materialize

from rec_assets.orchestration.build import build_defs
from rec_assets.orchestration.freshness import DAILY_ASSETS
from rec_assets.settings import Settings
from rec_assets.storage.artifacts.stores import open_store
from rec_assets_tests.orchestration.asset_specs import SNAPSHOT, specs

HEAVY = [
    "tensorflow",
    "merlin",
    "nvtabular",
    "torch",
    "feast",
    "faiss",
    "sentence_transformers",
    "pandera",
    "matplotlib",
]
LOAD = f"""
import json, sys
from rec_assets.definitions import defs
graph = defs.resolve_asset_graph()
print(json.dumps({{
    "heavy": [name for name in {HEAVY} if name in sys.modules],
    "assets": {{key.to_user_string(): graph.get(key).group_name for key in graph.get_all_asset_keys()}},
    "steps": {{
        key.to_user_string(): [
            defs.get_assets_def(key).op.tags.get("rec_assets/profile"),
            "dagster-k8s/config" in defs.get_assets_def(key).op.tags,
            defs.get_assets_def(key).op.pool,
        ]
        for key in graph.get_all_asset_keys()
    }},
}}))
"""


@pytest.fixture(scope="module")
def loaded() -> dict[str, object]:
    return json.loads(subprocess.check_output([sys.executable, "-c", LOAD]))


def test_loading_the_code_location_imports_nothing_heavy(loaded: dict[str, object]) -> None:
    assert loaded["heavy"] == []


def test_the_lineage_reads_like_the_design(loaded: dict[str, dict[str, str]]) -> None:
    groups: dict[str, set[str]] = {}
    for asset, group in loaded["assets"].items():
        groups.setdefault(group, set()).add(asset)
    assert groups == {
        "raw": {"id_codes", "raw_interactions", "raw_items", "raw_users"},
        "features": {
            "user_features",
            "item_features",
            "item_popularity",
            "feature_store",
            "online_features",
            "online_history",
            "online_catalog",
            "behavioral_updates",
        },
        "preprocessing": {"joined_interactions", "masked_train_set", "nvt_workflows", "training_set"},
        "embeddings": {"image_embeddings", "text_embeddings"},
        "training": {"two_tower_model", "query_tower", "item_embeddings", "faiss_index", "dlrm_model"},
        "finetuning": {
            "replay_set",
            "finetune_set",
            "daily_item_index",
            "finetuned_query_tower",
            "finetuned_dlrm",
        },
        "evaluation": {
            "model_evaluation",
            "finetune_evaluation",
            "next_day_evaluation",
            "shown_lists",
            "outcomes",
            "answer_drift",
        },
        "serving": {"model_bundle", "finetuned_bundle", "triton_versions", "live_bundle", "shop_rules", "user_lists"},
    }


def test_every_asset_has_a_profile_with_its_pod_and_gpu_assets_share_a_pool(
    loaded: dict[str, dict[str, list[str]]],
) -> None:
    steps = loaded["steps"]
    assert {profile for profile, _, _ in steps.values()} == {"cpu", "gpu"}
    assert all(pod for _, pod, _ in steps.values())
    trainers = {asset for asset, (profile, _, pool) in steps.items() if profile == "gpu"}
    # Encoders and trainings gain from a GPU; workflows, training sets and exports do not.
    assert trainers == {
        "image_embeddings",
        "text_embeddings",
        "two_tower_model",
        "dlrm_model",
        "finetuned_query_tower",
        "finetuned_dlrm",
    }
    assert trainers == {asset for asset, (_, _, pool) in steps.items() if pool == "training"}


def test_dagster_validates_the_workspace() -> None:
    command = [f"{sys.prefix}/bin/dagster", "definitions", "validate", "-w", "workspace.yaml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_assets_spec_is_that_of_the_snapshot() -> None:
    expected = json.loads(SNAPSHOT.read_text())
    assert specs() == expected, "python -m rec_assets_tests.orchestration.asset_specs --write"


def test_two_code_locations_of_different_settings_live_in_one_process(tmp_path: Path) -> None:
    spring = Settings(home=tmp_path / "spring", start_date=date(2025, 3, 3), days=3, backfill_days_per_run=1)
    summer = Settings(
        home=tmp_path / "summer", start_date=date(2025, 6, 1), days=2, seed=1, pod_gpu_cpus="9", train_days=2
    )
    locations = [build_defs(one) for one in (spring, summer)]
    graphs = [one.resolve_asset_graph() for one in locations]
    days = [graph.get(AssetKey("raw_interactions")).partitions_def for graph in graphs]
    assert [one.get_partition_keys() for one in days if one is not None] == [
        ["2025-03-03", "2025-03-04", "2025-03-05"],
        ["2025-06-01", "2025-06-02"],
    ]
    assert len({graph.get(AssetKey("raw_items")).code_version for graph in graphs}) == 2
    policies = [graph.get(AssetKey("raw_interactions")).backfill_policy for graph in graphs]
    assert [policy.max_partitions_per_run for policy in policies if policy is not None] == [1, None]
    pods = {str(one.get_assets_def("dlrm_model").op.tags["dagster-k8s/config"]) for one in locations}
    assert len(pods) == 2
    for location, settings, day in zip(locations, (spring, summer), ("2025-03-03", "2025-06-01"), strict=True):
        assets = [one for one in location.assets or () if isinstance(one, AssetsDefinition)]
        raw = ["id_codes", "raw_items", "raw_users", "raw_interactions"]
        small = settings.model_copy(update={"retail_users": 50, "retail_items": 20, "retail_interactions_per_day": 100})
        resources = {**(location.resources or {}), "settings": small}
        with DagsterInstance.ephemeral() as instance:
            for selection, key in ((raw[:3], None), (raw[3:], day)):
                assert materialize(
                    assets, selection=selection, partition_key=key, resources=resources, instance=instance
                ).success
        assert open_store(settings).partitions("raw_interactions") == [day]


def test_daily_assets_have_a_freshness_check_and_the_others_a_policy() -> None:
    by_asset = specs()
    checked = {name for name, spec in by_asset.items() if "freshness_check" in spec["checks"]}
    assert checked == set(DAILY_ASSETS)
    assert {name for name, spec in by_asset.items() if spec["freshness_policy"]} == set(by_asset) - checked


@pytest.mark.parametrize(("executor", "retries"), [("k8s", 2), ("in_process", None)])
def test_every_step_with_a_pod_of_its_own_is_retried_in_jobs_too(
    executor: Literal["k8s", "in_process"], retries: int | None, tmp_path: Path
) -> None:
    location = build_defs(Settings(home=tmp_path, executor=executor))
    jobs = [location.resolve_job_def(name) for name in ("canary", "prune", "daily_update")]
    steps = [node.definition for job in jobs for node in job.nodes]
    policies = [step.retry_policy for step in steps if isinstance(step, OpDefinition)]
    assert len(policies) == len(steps) > 20
    assert {None if one is None else one.max_retries for one in policies} == {retries}


def test_one_module_alone_uses_private_parts_of_dagster() -> None:
    files = [file for file in Path("rec_assets").rglob("*.py") if "dagster._" in file.read_text()]
    assert files == [Path("rec_assets/orchestration/dagster_internals.py")]
