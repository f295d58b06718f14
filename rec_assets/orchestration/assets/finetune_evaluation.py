"""Evaluates fine-tunes: on the holdout users of their own day, and on the day that follows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from dagster import AssetDep, AssetExecutionContext, AssetIn, MaterializeResult, asset

from rec_assets.common.seeds import seed_for
from rec_assets.orchestration.assets.evaluation import METRICS_FILE
from rec_assets.orchestration.assets.features import Days
from rec_assets.orchestration.assets.finetuning import COMMON
from rec_assets.orchestration.assets.preprocessing import ROWS
from rec_assets.orchestration.assets.publishing import publish
from rec_assets.orchestration.assets.upstream import earlier, lineage_of
from rec_assets.orchestration.metadata_plots import daily_plot, preview
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import MODEL_DAYS, day_before, only_day_before, replay_window, window
from rec_assets.orchestration.resources import Artifacts
from rec_assets.settings import get_settings
from rec_assets.storage.artifact_store import ArtifactStore
from rec_assets.storage.frames import write_frame

if TYPE_CHECKING:
    from dagster import MarkdownMetadataValue

    from rec_assets.evaluation.offline_inference import ServedModels


@asset(
    **{**COMMON, "group_name": "evaluation"},
    op_tags=CPU,
    kinds={"polars"},
    ins={"joined_interactions": AssetIn(partition_mapping=replay_window)},
    deps=earlier("query_tower", "faiss_index", "dlrm_model"),
)
def finetune_evaluation(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    finetune_set: Days,
    joined_interactions: Days,
    daily_item_index: Days,
    finetuned_query_tower: Days,
    finetuned_dlrm: Days,
) -> MaterializeResult[None]:
    """The fine-tuned models on the day's judging users, whose rows of it they did not learn, beside the frozen ones."""
    from rec_assets.datasets.evaluation_set import VALIDATION
    from rec_assets.datasets.queries import Queries
    from rec_assets.evaluation.evaluate_finetune import FINETUNED, FROZEN, judge_day
    from rec_assets.sources import open_source

    settings, store = get_settings(), artifacts.store()

    def write(out: Path, day: str) -> dict[str, Any]:
        base = lineage_of(finetune_set[day]).base
        queries = Queries.load(finetune_set[day] / VALIDATION)
        models = {FINETUNED: finetuned_models(store, day), FROZEN: full_models(store, base, day)}
        seed = seed_for(settings.seed, "finetune_evaluation", day)
        best = open_source(settings).best_ranking
        verdict = judge_day(models, queries, rows_before(joined_interactions, day), best, seed)
        write_frame(verdict.table, out / METRICS_FILE)
        return {"full_training": base, "users": len(queries), **figures_of(verdict.table)}

    return publish(context, artifacts, write)


@asset(
    **{**COMMON, "group_name": "evaluation"},
    op_tags=CPU,
    kinds={"polars"},
    ins={"joined_interactions": AssetIn(partition_mapping=replay_window)},
    deps=[
        AssetDep(name, partition_mapping=only_day_before)
        for name in ("finetune_set", "daily_item_index", "finetuned_query_tower", "finetuned_dlrm")
    ],
)
def next_day_evaluation(
    context: AssetExecutionContext, artifacts: Artifacts, joined_interactions: Days
) -> MaterializeResult[None]:
    """The models of the day before, judged by this day, of which they know nothing: fine-tuned and not.

    One query a user at his first arrival of the day; relevant is all he chose on it.
    """
    from rec_assets.datasets.next_day_queries import next_day_queries
    from rec_assets.evaluation.evaluate_finetune import FINETUNED, FROZEN, judge_day
    from rec_assets.evaluation.report import JUDGED_USERS, no_verdict
    from rec_assets.sources import open_source

    settings, store = get_settings(), artifacts.store()

    def write(out: Path, day: str) -> dict[str, Any]:
        judged = day_before(day)
        known = store.find("finetune_set", judged)
        if known is None or store.find("finetuned_dlrm", judged) is None:
            write_frame(no_verdict(), out / METRICS_FILE)
            return {"nothing to judge": f"{judged} has no fine-tune."}
        base = lineage_of(known).base
        seed = seed_for(settings.seed, "next_day_evaluation", day)
        everyone = next_day_queries(store.get("nvt_workflows", base) / "full", [joined_interactions[day] / ROWS])
        queries = everyone.sample(JUDGED_USERS, seed)
        history = rows_before(joined_interactions, day)
        models = {FINETUNED: finetuned_models(store, judged), FROZEN: full_models(store, base, judged)}
        verdict = judge_day(models, queries, history, open_source(settings).best_ranking, seed)
        write_frame(verdict.table, out / METRICS_FILE)
        return {
            "full_training": base,
            "users": len(queries),
            **figures_of(verdict.table),
            "plot": following_plot(store, verdict.table, day),
        }

    return publish(context, artifacts, write)


def rows_before(joined_interactions: Days, day: str) -> pl.DataFrame:
    """Reads the interactions of the days before a day: user_id, item_id, timestamp."""
    days = [d for d in window(joined_interactions, day, MODEL_DAYS + 1) if d < day]
    files = [joined_interactions[d] / ROWS for d in days]
    return pl.read_parquet(files, columns=["user_id", "item_id", "timestamp"])


def figures_of(table: pl.DataFrame) -> dict[str, Any]:
    """Picks the figures that the UI shows of an evaluation."""
    from rec_assets.evaluation.evaluate_finetune import FINETUNED
    from rec_assets.evaluation.report import NEW_ITEMS

    overall, later = table.filter(segment="all"), table.filter(segment=NEW_ITEMS, method=FINETUNED)
    figures: dict[str, Any] = {f"{row['method']} ndcg@10": row["ndcg@10"] for row in overall.iter_rows(named=True)}
    if later.height:
        figures["hit rate@10 of items never chosen before"] = later["hit_rate@10"][0]
        figures["their share of the first ten"] = later["new_items@10"][0]
    return figures | {"metrics": preview(table, table.height)}


def finetuned_models(store: ArtifactStore, day: str) -> "ServedModels":
    """The models that a day left, with all that is known by its end."""
    return _served(store, "finetuned_query_tower", "daily_item_index", "finetuned_dlrm", day, day)


def full_models(store: ArtifactStore, base: str, day: str) -> "ServedModels":
    """The models of a full training, with all that is known by the end of a later day."""
    return _served(store, "query_tower", "faiss_index", "dlrm_model", base, day)


def _served(store: ArtifactStore, tower: str, index: str, ranker: str, trained: str, day: str) -> "ServedModels":
    from rec_assets.datasets.evaluation_set import ITEMS, LOG
    from rec_assets.datasets.item_table import ItemTable
    from rec_assets.evaluation.offline_inference import ServedModels
    from rec_assets.features.history import InteractionLog

    known = store.get("finetune_set", day)
    return ServedModels(
        store.get(tower, trained) / "model.onnx",
        store.get(index, trained).path,
        store.get(ranker, trained) / "model.onnx",
        ItemTable.load(known / ITEMS),
        InteractionLog.load(known / LOG),
        get_settings().repeats,
    )


def following_plot(store: ArtifactStore, table: pl.DataFrame, day: str) -> "MarkdownMetadataValue":
    """NDCG@10 by method over the days that were judged so far, this one last."""
    tables = {
        d: pl.read_parquet(store.get("next_day_evaluation", d) / METRICS_FILE)
        for d in store.partitions("next_day_evaluation")
        if d < day
    }
    series: dict[str, dict[str, float]] = {}
    for d, metrics in {**tables, day: table}.items():
        for row in metrics.filter(segment="all").iter_rows(named=True):
            series.setdefault(row["method"], {})[d] = row["ndcg@10"]
    return daily_plot(series, "NDCG@10", "Judged by the day that followed")
