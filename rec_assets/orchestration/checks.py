"""Asset checks: what must hold of a day's models before anyone serves them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetChecksDefinition,
    AssetCheckSpec,
    asset_check,
    multi_asset_check,
)

from rec_assets.bundles.gate_results import GATES, GateReport, save_gate_report
from rec_assets.common.seeds import holdout_seed, seed_for
from rec_assets.orchestration.assets.evaluation import METRICS_FILE, model_evaluation
from rec_assets.orchestration.assets.preprocessing import ROWS, nvt_workflows
from rec_assets.orchestration.assets.training import faiss_index
from rec_assets.orchestration.assets.upstream import lineage_of
from rec_assets.orchestration.partitions import MODEL_DAYS, daily, window
from rec_assets.orchestration.resources import Artifacts
from rec_assets.settings import get_settings
from rec_assets.storage.artifact_store import Artifact, ArtifactStore

if TYPE_CHECKING:
    from rec_assets.evaluation.bundles.gates import GateInputs

# Where the item table of a bundle's day is.
KNOWN = {"model_bundle": "training_set", "finetuned_bundle": "finetune_set"}
QUERIES = 200


def _metric(artifact: Artifact, method: str, metric: str) -> float:
    table = pl.read_parquet(artifact / METRICS_FILE)
    return float(table.filter(track="all", segment="all", method=method)[metric][0])


@asset_check(asset=nvt_workflows, partitions_def=daily, blocking=True)
def lookups_match_nvtabular(context: AssetCheckExecutionContext, artifacts: Artifacts) -> AssetCheckResult:
    """The exported lookups give what NVTabular gives, for every vocabulary entry, unknowns and nulls."""
    from rec_assets.evaluation.bundles.gates import EXPORT_TOLERANCE
    from rec_assets.preprocessing.parity import largest_differences

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


def bundle_gates(asset: str) -> AssetChecksDefinition:
    """The gates of the bundles of one asset, as blocking checks; what they find is recorded for the promotion too."""
    specs = [AssetCheckSpec(name, asset=asset, blocking=True, partitions_def=daily) for name in GATES]

    @multi_asset_check(name=f"{asset}_gates", specs=specs)
    def gates(context: AssetCheckExecutionContext, artifacts: Artifacts) -> Iterator[AssetCheckResult]:
        from rec_assets.bundles.bundle import MANIFEST, Manifest
        from rec_assets.evaluation.bundles.gates import run_gates

        store = artifacts.store()
        verdicts: dict[str, GateReport] = {}
        for day in context.partition_keys:
            bundle = store.get(asset, day)
            name = Manifest.model_validate_json((bundle / MANIFEST).read_text()).bundle_id
            verdicts[day] = save_gate_report(store, name, run_gates(hearing(store, asset, day)))
        for number, name in enumerate(GATES):
            answers = {day: verdict.gates[number] for day, verdict in verdicts.items()}
            several = len(answers) > 1
            yield AssetCheckResult(
                check_name=name,
                asset_key=asset,
                passed=all(answer.passed for answer in answers.values()),
                description="; ".join(f"{day}: {a.message}" if several else a.message for day, a in answers.items()),
                metadata={
                    f"{day}: {key}" if several else key: value
                    for day, answer in answers.items()
                    for key, value in answer.figures.items()
                },
            )

    return gates


def hearing(store: ArtifactStore, asset: str, day: str) -> "GateInputs":
    """Gathers what a day's bundle is judged with."""
    from rec_assets.evaluation.bundles.gates import GateInputs

    settings = get_settings()
    known = store.get(KNOWN[asset], day)
    before = [d for d in window(store.partitions("joined_interactions"), day, MODEL_DAYS + 1) if d < day]
    return GateInputs(
        bundle=store.get(asset, day).path,
        live=_live_before(store, day),
        workflows=store.get("nvt_workflows", lineage_of(known).base).path,
        joined_day=store.get("joined_interactions", day) / ROWS,
        joined_before=[store.get("joined_interactions", d) / ROWS for d in before],
        items=known / "items.npz",
        settings=settings,
        holdout_seed=holdout_seed(settings.seed, day),
        seed=seed_for(settings.seed, "bundle_gates", day),
    )


@asset_check(asset=faiss_index, partitions_def=daily, blocking=True)
def index_recall(context: AssetCheckExecutionContext, artifacts: Artifacts) -> AssetCheckResult:
    """The index finds the items of the largest inner products, all but some where the catalog is large."""
    from rec_assets.inference.item_index import DEPTH, INDEX, MIN_RECALL, read_index, recall_against_exact
    from rec_assets.inference.item_vectors import ItemVectors

    day, store = context.partition_key, artifacts.store()
    items = ItemVectors.load(store.get("item_embeddings", day) / "item_vectors.npz")
    index = read_index(store.get("faiss_index", day) / INDEX)
    queries = items.vectors[np.random.default_rng(1).permutation(len(items.vectors))[:QUERIES]]
    recall = recall_against_exact(index, items, queries, DEPTH)
    return AssetCheckResult(passed=recall >= MIN_RECALL, metadata={f"recall@{DEPTH}": recall, "wanted": MIN_RECALL})


def _live_before(store: ArtifactStore, day: str) -> Path | None:
    """The live bundle's directory, unless it has learned what the day's judges chose since."""
    from rec_assets.bundles.live_record import find_live, live_path

    live = find_live(store)
    return None if live is None or live.as_of > date.fromisoformat(day) else live_path(store)


ALL = [
    lookups_match_nvtabular,
    index_recall,
    ranking_keeps_the_retrieval_order,
    *(bundle_gates(asset) for asset in KNOWN),
]
