"""How good the models of an as-of day are on its validation days, beside what people would use instead."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, AssetIn, MaterializeResult, MetadataValue, asset

from rec_assets.assets.features import Days
from rec_assets.assets.preprocessing import ROWS
from rec_assets.assets.publishing import OWNERS, only, publish
from rec_assets.features.popularity import POPULARITY_DAYS
from rec_assets.op_tags import CPU
from rec_assets.partitions import daily, model_window, training_split
from rec_assets.plots import bar_plot
from rec_assets.resources import Artifacts
from rec_assets.settings import get_settings
from rec_assets.sources import open_source

METRICS_FILE = "metrics.parquet"
BEST = "best possible"


@asset(
    group_name="evaluation",
    owners=OWNERS,
    op_tags=CPU,
    code_version="1",
    kinds={"polars"},
    partitions_def=daily,
    ins={"joined_interactions": AssetIn(partition_mapping=model_window)},
)
def model_evaluation(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    query_tower: Days,
    faiss_index: Days,
    dlrm_model: Days,
    training_set: Days,
    joined_interactions: Days,
) -> MaterializeResult[None]:
    """Recall and NDCG of retrieval and of the ranked list on the validation days, beside popularity.

    One query a user, at his first arrival of the period; relevant is all he chose in it. No seen filter. The exported
    models are judged, as they are served.
    """
    from rec_assets.models.judging import DEPTH, judge, popularity_list, reranked_lists, retrieval_lists
    from rec_assets.models.retrieval import retrieve_for
    from rec_assets.models.training_set import TrainingSet

    settings, day = get_settings(), only(context)
    data = TrainingSet.load(training_set[day].path)
    train_days, valid_days = training_split(list(joined_interactions), settings)

    def write(out: Path, _: str) -> dict[str, Any]:
        queries = data.validation
        candidates = retrieve_for(
            query_tower[day] / "model.onnx", faiss_index[day] / "index.faiss", queries.columns, data.items, DEPTH
        )
        week = [joined_interactions[d] / ROWS for d in train_days[-POPULARITY_DAYS:]]
        lists = {
            "popularity": popularity_list(week, len(queries)),
            "retrieval": retrieval_lists(candidates, data.items),
            "ranked": reranked_lists(dlrm_model[day] / "model.onnx", queries.columns, candidates, data.items),
        }
        best = open_source(settings).best_ranking
        if best is not None:
            lists[BEST] = best(queries.user_ids, queries.timestamps, queries.device_types, DEPTH)
        verdict = judge(queries, lists)
        verdict.table.write_parquet(out / METRICS_FILE)
        context.log.info(f"{verdict.table}")
        shown = ("recall@10", "recall@100", "ndcg@10")
        bars = {m: {name: verdict.value(m, name) for name in shown} for m in lists}
        return {
            "validation_days": f"{valid_days[0]} … {valid_days[-1]}",
            "users": len(queries),
            "cold_users": int(queries.cold.sum()),
            "retrieval recall@100": verdict.value("retrieval", "recall@100"),
            "ranked ndcg@10": verdict.value("ranked", "ndcg@10"),
            "popularity ndcg@10": verdict.value("popularity", "ndcg@10"),
            "table": markdown_table(verdict.table),
            "plot": bar_plot(bars, "", f"Validation {date.fromisoformat(valid_days[0]):%d %b} on, all users"),
        }

    return publish(context, artifacts, write)


def markdown_table(table: pl.DataFrame) -> MetadataValue:
    """All rows of a small table, figures to four places."""
    from rec_assets.plots import preview

    return preview(table, table.height)
