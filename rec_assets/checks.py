"""Asset checks: what must hold of a day's models before anyone serves them."""

import numpy as np
import polars as pl
from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetCheckSeverity, asset_check

from rec_assets.assets.evaluation import METRICS_FILE, model_evaluation
from rec_assets.assets.preprocessing import nvt_workflows
from rec_assets.assets.training import faiss_index
from rec_assets.partitions import daily
from rec_assets.resources import Artifacts
from rec_assets.storage import Artifact

EXPORT_TOLERANCE = 1e-5
RECALL_TOLERANCE = 0.02
QUERIES = 200


def _metric(artifact: Artifact, method: str, metric: str) -> float:
    table = pl.read_parquet(artifact / METRICS_FILE)
    return float(table.filter(track="all", segment="all", method=method)[metric][0])


@asset_check(asset=nvt_workflows, partitions_def=daily, blocking=True)
def export_equals_nvtabular(context: AssetCheckExecutionContext, artifacts: Artifacts) -> AssetCheckResult:
    """The exported lookups give what NVTabular gives, for every vocabulary entry, unknowns and nulls."""
    from rec_assets.workflows.compare import largest_differences

    workflows = artifacts.store().get("nvt_workflows", context.partition_key)
    differences = largest_differences(workflows.path)
    worst = max(differences.values())
    return AssetCheckResult(
        passed=worst <= EXPORT_TOLERANCE,
        metadata={"tolerance": EXPORT_TOLERANCE, **{f"largest difference of {k}": v for k, v in differences.items()}},
    )


@asset_check(asset=model_evaluation, partitions_def=daily, blocking=True)
def ranking_keeps_the_retrieval_order(context: AssetCheckExecutionContext, artifacts: Artifacts) -> AssetCheckResult:
    """The ranked list is not below the retrieval order on the validation days (NDCG@10)."""
    metrics = artifacts.store().get("model_evaluation", context.partition_key)
    retrieval, ranked = (_metric(metrics, method, "ndcg@10") for method in ("retrieval", "ranked"))
    return AssetCheckResult(passed=ranked >= retrieval, metadata={"retrieval": retrieval, "ranked": ranked})


@asset_check(asset=model_evaluation, partitions_def=daily)
def better_than_popularity(context: AssetCheckExecutionContext, artifacts: Artifacts) -> AssetCheckResult:
    """The ranked list beats the most popular items on the validation days (NDCG@10)."""
    metrics = artifacts.store().get("model_evaluation", context.partition_key)
    popularity, ranked = (_metric(metrics, method, "ndcg@10") for method in ("popularity", "ranked"))
    return AssetCheckResult(
        passed=ranked > popularity,
        severity=AssetCheckSeverity.WARN,
        metadata={"popularity": popularity, "ranked": ranked},
    )


@asset_check(asset=faiss_index, partitions_def=daily, blocking=True)
def index_finds_what_exact_search_finds(context: AssetCheckExecutionContext, artifacts: Artifacts) -> AssetCheckResult:
    """The index finds the items of the largest inner products, all but some where the catalogue is large."""
    from rec_assets.models.item_index import DEPTH, WANTED_RECALL, ItemVectors, read_index, recall_against_exact
    from rec_assets.models.tower_vectors import INDEX

    day, store = context.partition_key, artifacts.store()
    items = ItemVectors.load(store.get("item_embeddings", day) / "item_vectors.npz")
    index = read_index(store.get("faiss_index", day) / INDEX)
    queries = items.vectors[np.random.default_rng(1).permutation(len(items.vectors))[:QUERIES]]
    recall = recall_against_exact(index, items, queries, DEPTH)
    # What it was tuned on are other queries.
    wanted = WANTED_RECALL - RECALL_TOLERANCE
    return AssetCheckResult(passed=recall >= wanted, metadata={f"recall@{DEPTH}": recall, "wanted": wanted})


ALL = [
    export_equals_nvtabular,
    index_finds_what_exact_search_finds,
    ranking_keeps_the_retrieval_order,
    better_than_popularity,
]
