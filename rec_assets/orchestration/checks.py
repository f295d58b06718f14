"""Asset checks. The models of a day must pass them before promotion."""

from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from dagster import AssetCheckExecutionContext, AssetCheckResult, AssetCheckSeverity, AssetCheckSpec

from rec_assets.bundles.gate_results import GATES, GateReport, save_gate_report
from rec_assets.common.seeds import holdout_seed, seed_for
from rec_assets.datasets.evaluation_set import ITEMS
from rec_assets.datasets.joined_days import ROWS
from rec_assets.inference.item_vectors import ALL_VECTORS
from rec_assets.orchestration.assets.answer_drift import DRIFT_FILE
from rec_assets.orchestration.assets.evaluation import RANKING_EFFECT_FILE
from rec_assets.orchestration.assets.upstream import lineage_of
from rec_assets.orchestration.declared import Declared, FromSettings, asset_check, multi_asset_check
from rec_assets.orchestration.metadata_plots import preview
from rec_assets.orchestration.partitions import daily, model_days, window
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.settings import Settings
from rec_assets.storage.artifact_store import ArtifactStore

if TYPE_CHECKING:
    from rec_assets.evaluation.bundles.gates import GateInputs

# Bundle asset → asset that holds the item table of the same day.
ITEM_TABLE_ASSETS = {"model_bundle": "training_set", "finetuned_bundle": "finetune_set"}
QUERIES = 200


@asset_check(asset="nvt_workflows", partitions_def=daily, blocking=True)
def lookups_match_nvtabular(context: AssetCheckExecutionContext, artifacts: Artifacts) -> AssetCheckResult:
    """The exported lookups equal NVTabular's output for every vocabulary entry, unknown values and nulls."""
    from rec_assets.evaluation.bundles.gates import EXPORT_TOLERANCE
    from rec_assets.preprocessing.parity import largest_differences

    workflows = artifacts.store().get("nvt_workflows", context.partition_key)
    differences = largest_differences(workflows.path)
    worst = max(differences.values())
    column = max(differences, key=lambda name: differences[name])
    return AssetCheckResult(
        passed=worst <= EXPORT_TOLERANCE,
        description=f"The largest difference from NVTabular is {worst:.2g} ({column}); {EXPORT_TOLERANCE:g} is allowed",
        metadata={"tolerance": EXPORT_TOLERANCE, **{f"largest difference of {k}": v for k, v in differences.items()}},
    )


@asset_check(asset="model_evaluation", partitions_def=daily, blocking=True)
def ranking_keeps_the_retrieval_order(context: AssetCheckExecutionContext, artifacts: Artifacts) -> AssetCheckResult:
    """Ranking does not lower NDCG@10 of the validation days, on both tracks and in every segment of users.

    A difference counts if it is larger than two standard errors of the paired difference, and only in segments of at
    least `MIN_USERS` users.
    """
    from rec_assets.evaluation.bundles.compare import MIN_USERS, STANDARD_ERRORS

    effect = pl.read_parquet(artifacts.store().get("model_evaluation", context.partition_key) / RANKING_EFFECT_FILE)
    worse = effect.filter(
        pl.col("users") >= MIN_USERS, pl.col("difference") < -STANDARD_ERRORS * pl.col("standard_error")
    )
    lines = [
        f"NDCG@10 of track {row['track']}, {row['segment']} users, is {row['ranked']:.4f} after ranking and "
        f"{row['retrieval']:.4f} before"
        for row in worse.iter_rows(named=True)
    ]
    step = "Train on more days, or check the columns of the data with `rec check`"
    return AssetCheckResult(
        passed=worse.is_empty(),
        description="; ".join([*lines, step]) if lines else "Ranking lowers NDCG@10 on no track and in no segment",
        metadata={"differences": preview(effect, effect.height)},
    )


def bundle_gates(asset: str) -> Declared:
    """Declares the gates of one bundle asset as blocking checks. Also stores the gate reports, for the promotion."""

    def specs(settings: Settings) -> list[AssetCheckSpec]:
        return [AssetCheckSpec(name, asset=asset, blocking=True, partitions_def=daily(settings)) for name in GATES]

    @multi_asset_check(name=f"{asset}_gates", specs=FromSettings(specs))
    def gates(
        context: AssetCheckExecutionContext, artifacts: Artifacts, settings: SettingsResource
    ) -> Iterator[AssetCheckResult]:
        from rec_assets.bundles.bundle import MANIFEST, Manifest
        from rec_assets.evaluation.bundles.gates import run_gates

        store = artifacts.store()
        reports: dict[str, GateReport] = {}
        for day in context.partition_keys:
            bundle = store.get(asset, day)
            name = Manifest.model_validate_json((bundle / MANIFEST).read_text()).bundle_id
            reports[day] = save_gate_report(store, name, run_gates(gate_inputs(store, asset, day, settings)))
        for number, name in enumerate(GATES):
            results = {day: report.gates[number] for day, report in reports.items()}
            several = len(results) > 1
            yield AssetCheckResult(
                check_name=name,
                asset_key=asset,
                passed=all(gate.passed for gate in results.values()),
                description="; ".join(
                    f"{day}: {g.explanation}" if several else g.explanation for day, g in results.items()
                ),
                metadata={
                    f"{day}: {key}" if several else key: value
                    for day, gate in results.items()
                    for key, value in gate.figures.items()
                },
            )

    return gates


def gate_inputs(store: ArtifactStore, asset: str, day: str, settings: Settings) -> "GateInputs":
    """Reads the gate inputs of a day's bundle from the artifact store."""
    from rec_assets.evaluation.bundles.gates import GateInputs
    from rec_assets.preprocessing.parity import largest_differences

    data = store.get(ITEM_TABLE_ASSETS[asset], day)
    before = [d for d in window(store.partitions("joined_interactions"), day, model_days(settings) + 1) if d < day]
    return GateInputs(
        bundle=store.get(asset, day).path,
        live=_comparable_live_bundle(store, day),
        lookup_differences=partial(largest_differences, store.get("nvt_workflows", lineage_of(data).base).path),
        joined_day=store.get("joined_interactions", day) / ROWS,
        joined_before=[store.get("joined_interactions", d) / ROWS for d in before],
        items=data / ITEMS,
        settings=settings,
        holdout_seed=holdout_seed(settings.seed, day),
        seed=seed_for(settings.seed, "bundle_gates", day),
    )


@asset_check(asset="faiss_index", partitions_def=daily, blocking=True)
def index_recall(context: AssetCheckExecutionContext, artifacts: Artifacts) -> AssetCheckResult:
    """The index returns the items with the largest inner products. An IVF index may miss some, down to `MIN_RECALL`."""
    from rec_assets.inference.item_index import DEPTH, INDEX, MIN_RECALL, read_index, recall_against_exact
    from rec_assets.inference.item_vectors import ItemVectors

    day, store = context.partition_key, artifacts.store()
    items = ItemVectors.load(store.get("item_embeddings", day) / ALL_VECTORS)
    index = read_index(store.get("faiss_index", day) / INDEX)
    queries = items.vectors[np.random.default_rng(1).permutation(len(items.vectors))[:QUERIES]]
    recall = recall_against_exact(index, items, queries, DEPTH)
    return AssetCheckResult(passed=recall >= MIN_RECALL, metadata={f"recall@{DEPTH}": recall, "minimum": MIN_RECALL})


@asset_check(asset="answer_drift", partitions_def=daily)
def answers_resemble_training(
    context: AssetCheckExecutionContext, artifacts: Artifacts, settings: SettingsResource
) -> AssetCheckResult:
    """Inputs and scores of the day's answers are distributed as before. Warns, and blocks nothing.

    A feature has drifted if its PSI is above `REC_MAX_DRIFT` and chance does not explain the difference.
    """
    store = artifacts.store()
    tables = [
        pl.read_parquet(store.get("answer_drift", day) / DRIFT_FILE).with_columns(day=pl.lit(day))
        for day in context.partition_keys
    ]
    drifted = pl.concat(tables).filter("drifted")
    lines = [
        f"{row['day']}: {row['feature']} has PSI {row['psi']:.2f} ({row['change']})"
        for row in drifted.iter_rows(named=True)
    ]
    step = (
        "Find out whether the users or a client changed. Correct the client's requests, or materialize full_training, "
        f"or raise REC_MAX_DRIFT ({settings.max_drift:g})"
    )
    return AssetCheckResult(
        passed=drifted.is_empty(),
        severity=AssetCheckSeverity.WARN,
        description="; ".join([*lines, step]) if lines else "No input or score has drifted",
        metadata={"drifted": preview(drifted, drifted.height), "largest PSI that passes": settings.max_drift},
    )


def _comparable_live_bundle(store: ArtifactStore, day: str) -> Path | None:
    """Returns the directory of the live bundle, None if its as-of day is after `day`.

    A later live bundle was trained on rows of the holdout users, so its metrics on these users would be too high.
    """
    from rec_assets.bundles.live_record import find_live, live_path

    live = find_live(store)
    return None if live is None or live.as_of > date.fromisoformat(day) else live_path(store)


BUNDLE_GATES = [bundle_gates(asset) for asset in ITEM_TABLE_ASSETS]
