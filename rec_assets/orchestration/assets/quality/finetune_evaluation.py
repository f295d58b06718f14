"""Evaluates fine-tunes on the holdout users of their day, and on all users of the next day."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.bundles.export_report import MODEL
from rec_assets.common.seeds import seed_for
from rec_assets.datasets.joined_days import ROWS
from rec_assets.orchestration.assets.feature_data.features import Days
from rec_assets.orchestration.assets.models.finetuning import COMMON
from rec_assets.orchestration.assets.publishing import publish
from rec_assets.orchestration.assets.quality.evaluation import METRICS_FILE
from rec_assets.orchestration.assets.upstream import UpstreamStore, earlier, lineage_of
from rec_assets.orchestration.declared import On, asset
from rec_assets.orchestration.metadata_plots import daily_plot, preview
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import day_before, model_days, only_day_before, replay_window, window
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.storage.frames import write_frame

if TYPE_CHECKING:
    from dagster import MarkdownMetadataValue

    from rec_assets.evaluation.offline_inference import ServedModels

FINETUNE = ("finetune_set", "daily_item_index", "finetuned_query_tower", "finetuned_dlrm")


@asset(
    **{**COMMON, "group_name": "evaluation"},
    op_tags=CPU,
    kinds={"polars"},
    windows={"joined_interactions": replay_window},
    deps=earlier("query_tower", "faiss_index", "dlrm_model"),
)
def finetune_evaluation(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    finetune_set: Days,
    joined_interactions: Days,
    daily_item_index: Days,
    finetuned_query_tower: Days,
    finetuned_dlrm: Days,
) -> MaterializeResult[None]:
    """Metrics of fine-tuned and not fine-tuned models on the holdout users of the day.

    The day's rows of holdout users are excluded from the fine-tune.
    """
    from rec_assets.datasets.evaluation_set import VALIDATION
    from rec_assets.datasets.queries import Queries
    from rec_assets.evaluation.evaluate_finetune import FINETUNED, FROZEN, evaluate_day
    from rec_assets.sources import open_source

    store = UpstreamStore.of(context, artifacts)

    def write(out: Path, day: str) -> dict[str, Any]:
        base = lineage_of(finetune_set[day]).base
        queries = Queries.load(finetune_set[day] / VALIDATION)
        models = {
            FINETUNED: finetuned_models(store, day),
            FROZEN: full_models(store, base, day),
        }
        seed = seed_for(settings.seed, "finetune_evaluation", day)
        history = rows_before(joined_interactions, day, model_days(settings) + 1)
        report = evaluate_day(models, queries, history, open_source(settings).best_ranking, seed)
        write_frame(report.table, out / METRICS_FILE)
        return {"full_training": base, "users": len(queries), **figures_of(report.table)}

    return publish(context, artifacts, write)


@asset(
    **{**COMMON, "group_name": "evaluation"},
    op_tags=CPU,
    kinds={"polars"},
    windows={"joined_interactions": replay_window},
    deps=[
        *(On(name, only_day_before) for name in FINETUNE),
        *earlier("nvt_workflows", "query_tower", "faiss_index", "dlrm_model"),
    ],
)
def next_day_evaluation(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource, joined_interactions: Days
) -> MaterializeResult[None]:
    """Metrics of the previous day's models, fine-tuned and not fine-tuned, on the interactions of this day.

    The models have no data of this day. Each user has one query, at their first interaction of the day. Relevant items
    are all items that the user interacted with on the day.
    """
    from rec_assets.datasets.next_day_queries import next_day_queries
    from rec_assets.evaluation.evaluate_finetune import FINETUNED, FROZEN, evaluate_day
    from rec_assets.evaluation.report import MAX_EVALUATED_USERS, empty_table
    from rec_assets.sources import open_source

    store = UpstreamStore.of(context, artifacts)

    def write(out: Path, day: str) -> dict[str, Any]:
        model_day = day_before(day)
        data = store.find("finetune_set", model_day)
        if data is None or store.find("finetuned_dlrm", model_day) is None:
            write_frame(empty_table(), out / METRICS_FILE)
            return {"not evaluated": f"{model_day} has no fine-tune."}
        base = lineage_of(data).base
        seed = seed_for(settings.seed, "next_day_evaluation", day)
        all_queries = next_day_queries(store.get("nvt_workflows", base).path, [joined_interactions[day] / ROWS])
        queries = all_queries.sample(MAX_EVALUATED_USERS, seed)
        history = rows_before(joined_interactions, day, model_days(settings) + 1)
        models = {
            FINETUNED: finetuned_models(store, model_day),
            FROZEN: full_models(store, base, model_day),
        }
        report = evaluate_day(models, queries, history, open_source(settings).best_ranking, seed)
        write_frame(report.table, out / METRICS_FILE)
        return {
            "full_training": base,
            "users": len(queries),
            **figures_of(report.table),
            "plot": next_day_plot(store, report.table, day),
        }

    return publish(context, artifacts, write)


def rows_before(joined_interactions: Days, day: str, length: int) -> pl.DataFrame:
    """Reads user_id, item_id and timestamp of the `length - 1` days before a day."""
    days = [d for d in window(joined_interactions, day, length) if d < day]
    files = [joined_interactions[d] / ROWS for d in days]
    return pl.read_parquet(files, columns=["user_id", "item_id", "timestamp"])


def figures_of(table: pl.DataFrame) -> dict[str, Any]:
    """Returns the metadata of an evaluation for the UI."""
    from rec_assets.evaluation.evaluate_finetune import FINETUNED
    from rec_assets.evaluation.report import NEW_ITEMS

    overall, new_items = table.filter(segment="all"), table.filter(segment=NEW_ITEMS, method=FINETUNED)
    figures: dict[str, Any] = {f"{row['method']} ndcg@10": row["ndcg@10"] for row in overall.iter_rows(named=True)}
    if new_items.height:
        figures["hit rate@10 of new items"] = new_items["hit_rate@10"][0]
        figures["share of new items in the top 10"] = new_items["new_items@10"][0]
    return figures | {"metrics": preview(table, table.height)}


def finetuned_models(store: UpstreamStore, day: str) -> "ServedModels":
    """Returns the fine-tuned models of a day, with items and histories up to its end."""
    return _served(store, "finetuned_query_tower", "daily_item_index", "finetuned_dlrm", day, day)


def full_models(store: UpstreamStore, base: str, day: str) -> "ServedModels":
    """Returns the models of a full training, with items and histories up to the end of a later day."""
    return _served(store, "query_tower", "faiss_index", "dlrm_model", base, day)


def _served(store: UpstreamStore, tower: str, index: str, ranker: str, trained: str, day: str) -> "ServedModels":
    from rec_assets.datasets.evaluation_set import ITEMS, LOG, read_repeats
    from rec_assets.datasets.item_table import ItemTable
    from rec_assets.datasets.retrieve import Retrieval
    from rec_assets.evaluation.offline_inference import ServedModels
    from rec_assets.features.history import InteractionLog

    data = store.get("finetune_set", day)
    retrieval = Retrieval(
        store.get(tower, trained) / MODEL,
        store.get(index, trained).path,
        ItemTable.load(data / ITEMS),
        InteractionLog.load(data / LOG),
        read_repeats(data.path),
    )
    return ServedModels(retrieval, store.get(ranker, trained) / MODEL)


def next_day_plot(store: UpstreamStore, table: pl.DataFrame, day: str) -> "MarkdownMetadataValue":
    """Plots NDCG@10 by method over all evaluated days up to `day`; `table` has the metrics of `day`."""
    tables = {
        d: pl.read_parquet(store.get("next_day_evaluation", d) / METRICS_FILE)
        for d in store.partitions("next_day_evaluation")
        if d < day
    }
    series: dict[str, dict[str, float]] = {}
    for d, metrics in {**tables, day: table}.items():
        for row in metrics.filter(segment="all").iter_rows(named=True):
            series.setdefault(row["method"], {})[d] = row["ndcg@10"]
    return daily_plot(series, "NDCG@10", "Evaluation on the next day")
