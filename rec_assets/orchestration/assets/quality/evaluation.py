"""Evaluates the models of an as-of day and the baselines on the validation days."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.bundles.export_report import MODEL
from rec_assets.common.seeds import seed_for
from rec_assets.datasets.joined_days import ROWS
from rec_assets.orchestration.assets.feature_data.features import Days
from rec_assets.orchestration.assets.models.training import VALIDATION_RANKER, VALIDATION_RETRIEVAL
from rec_assets.orchestration.assets.publishing import OWNERS, only, publish
from rec_assets.orchestration.declared import asset
from rec_assets.orchestration.freshness import WEEKLY_FRESHNESS
from rec_assets.orchestration.metadata_plots import bar_plot, preview, reliability_plot
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily, model_window, training_split
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources import open_source
from rec_assets.storage.frames import write_frame

METRICS_FILE, CALIBRATION_FILE = "metrics.parquet", "calibration.parquet"
RANKING_EFFECT_FILE = "ranking_effect.parquet"


@asset(
    group_name="evaluation",
    freshness_policy=WEEKLY_FRESHNESS,
    owners=OWNERS,
    op_tags=CPU,
    code_version="6",
    kinds={"polars"},
    partitions_def=daily,
    windows={"joined_interactions": model_window},
)
def model_evaluation(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    two_tower_model: Days,
    dlrm_model: Days,
    training_set: Days,
    joined_interactions: Days,
) -> MaterializeResult[None]:
    """Metrics of retrieval, ranked list and baselines on the validation days, by track and segment.

    The baselines are popularity, repeat purchases, item-kNN and ALS. Each user has one query, at their first
    interaction of the period. At most 20,000 users are drawn. In track all, relevant items are all items that the user
    interacted with in the period. Track new excludes items of the user's history. The exported models are evaluated, as
    in serving, but without the seen filter.
    """
    from rec_assets.datasets.evaluation_set import EvaluationSet
    from rec_assets.datasets.retrieve import Retrieval
    from rec_assets.evaluation.evaluate_models import compare
    from rec_assets.evaluation.offline_inference import ServedModels
    from rec_assets.evaluation.report import ALL, MAX_EVALUATED_USERS, NEW

    day = only(context)
    train_days, valid_days = training_split(list(joined_interactions), settings)

    def write(out: Path, _: str) -> dict[str, Any]:
        data = EvaluationSet.load(training_set[day].path)
        folder = two_tower_model[day] / VALIDATION_RETRIEVAL
        retrieval = Retrieval(folder / MODEL, folder, data.items, data.log, data.repeats)
        models = ServedModels(retrieval, dlrm_model[day] / VALIDATION_RANKER / MODEL)
        history = pl.read_parquet(
            [joined_interactions[d] / ROWS for d in train_days],
            columns=["user_id", "item_id", "device_type", "timestamp"],
        )
        seed = seed_for(settings.seed, "model_evaluation", day)
        queries = data.validation.sample(MAX_EVALUATED_USERS, seed)
        oracle = open_source(settings).best_ranking
        report, calibration, effect = compare(models, queries, history, oracle, len(valid_days), seed)
        write_frame(report.table, out / METRICS_FILE)
        write_frame(calibration.table, out / CALIBRATION_FILE)
        write_frame(effect, out / RANKING_EFFECT_FILE)
        overall = report.table.filter(segment="all")
        context.log.info(f"{overall}")
        bars = {
            f"track {track}": dict(overall.filter(track=track).select("method", "ndcg@10").iter_rows())
            for track in (ALL, NEW)
        }
        return {
            "validation_days": f"{valid_days[0]} … {valid_days[-1]}",
            "users": len(queries),
            "cold_users": int(queries.cold.sum()),
            "retrieval recall@100": report.value("retrieval", "recall@100"),
            "ranked ndcg@10": report.value("ranked", "ndcg@10"),
            "popularity ndcg@10": report.value("popularity", "ndcg@10"),
            "plot": bar_plot(bars, "NDCG@10", f"All users, validation from {date.fromisoformat(valid_days[0]):%d %b}"),
            **{f"track {t}": preview(report.table.filter(track=t), report.table.height) for t in (ALL, NEW)},
            "effect of ranking on NDCG@10": preview(effect, effect.height),
            "reliability": reliability_plot(
                calibration.table["score"].to_list(), calibration.table["rate"].to_list(), "Scores of the ranked list"
            ),
            "brier score": calibration.brier,
            "expected calibration error": calibration.expected_error,
        }

    return publish(context, artifacts, write)
