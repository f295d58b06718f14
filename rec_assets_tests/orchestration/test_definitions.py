import json
import subprocess
import sys
from pathlib import Path

import pytest

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
import json, sys, time
start = time.process_time()
from rec_assets.definitions import defs
graph = defs.resolve_asset_graph()
print(json.dumps({{
    "seconds": time.process_time() - start,
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
    """The quickest of three loads in processor time: what the machine does beside it must not fail the build."""
    runs = [json.loads(subprocess.check_output([sys.executable, "-c", LOAD])) for _ in range(3)]
    return min(runs, key=lambda run: run["seconds"])


def test_loading_the_code_location_takes_under_four_seconds(loaded: dict[str, float]) -> None:
    assert loaded["seconds"] < 4


def test_loading_the_code_location_imports_nothing_heavy(loaded: dict[str, object]) -> None:
    assert loaded["heavy"] == []


def test_the_lineage_reads_like_the_design(loaded: dict[str, dict[str, str]]) -> None:
    groups: dict[str, set[str]] = {}
    for asset, group in loaded["assets"].items():
        groups.setdefault(group, set()).add(asset)
    assert groups == {
        "raw": {"raw_interactions", "raw_items", "raw_users"},
        "features": {
            "user_features",
            "item_features",
            "item_popularity",
            "feature_store",
            "online_features",
            "online_history",
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
        "evaluation": {"model_evaluation", "finetune_evaluation", "next_day_evaluation"},
        "serving": {"model_bundle", "finetuned_bundle", "triton_versions", "live_bundle"},
    }


def test_every_asset_has_a_profile_with_its_pod_and_gpu_assets_share_a_pool(
    loaded: dict[str, dict[str, list[str]]],
) -> None:
    steps = loaded["steps"]
    assert {profile for profile, _, _ in steps.values()} == {"cpu", "gpu"}
    assert all(pod for _, pod, _ in steps.values())
    trainers = {asset for asset, (profile, _, pool) in steps.items() if profile == "gpu"}
    # What encodes or trains gains from a GPU; workflows, training sets and exports do not.
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
    specs = subprocess.check_output([sys.executable, "-m", "rec_assets_tests.orchestration.asset_specs"], text=True)
    expected = (Path(__file__).parent / "asset_specs.json").read_text()
    assert json.loads(specs) == json.loads(expected), "python -m rec_assets_tests.orchestration.asset_specs --write"
