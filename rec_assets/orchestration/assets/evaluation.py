"""Evaluates the models of an as-of day on its validation days, beside the baselines."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, AssetIn, MaterializeResult, asset

from rec_assets.common.seeds import seed_for
from rec_assets.orchestration.assets.features import Days
from rec_assets.orchestration.assets.preprocessing import ROWS
from rec_assets.orchestration.assets.publishing import OWNERS, only, publish
from rec_assets.orchestration.assets.training import VALIDATION_RETRIEVAL
from rec_assets.orchestration.metadata_plots import bar_plot, preview, reliability_plot
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily, model_window, training_split
from rec_assets.orchestration.resources import Artifacts
from rec_assets.settings import get_settings
from rec_assets.sources import open_source
from rec_assets.storage.frames import write_frame

METRICS_FILE, CALIBRATION_FILE = "metrics.parquet", "calibration.parquet"


@asset(
    group_name="evaluation",
    owners=OWNERS,
    op_tags=CPU,
    code_version="5",
    kinds={"polars"},
    partitions_def=daily,
    ins={"joined_interactions": AssetIn(partition_mapping=model_window)},
)
def model_evaluation(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    two_tower_model: Days,
    dlrm_model: Days,
    training_set: Days,
    joined_interactions: Days,
) -> MaterializeResult[None]:
    """Retrieval and ranked list on the validation days, by segment, beside popularity, repeats, item-kNN and ALS.

    One query a user, at his first arrival of the period; of more than 20,000 users so many are drawn. Relevant is all
    he chose in it (track all), or what of it he never chose before (track new). No seen filter. The exported models are
    judged, as they are served.
    """
    from rec_assets.datasets.evaluation_set import EvaluationSet
    from rec_assets.evaluation.evaluate_models import compare
    from rec_assets.evaluation.offline_inference import ServedModels
    from rec_assets.evaluation.report import ALL, JUDGED_USERS, NEW
    from rec_assets.training.retrieval.encode import TOWER

    settings, day = get_settings(), only(context)
    train_days, valid_days = training_split(list(joined_interactions), settings)

    def write(out: Path, _: str) -> dict[str, Any]:
        data = EvaluationSet.load(training_set[day].path)
        judged = two_tower_model[day] / VALIDATION_RETRIEVAL
        models = ServedModels(
            judged / TOWER,
            judged,
            dlrm_model[day] / "model.onnx",
            data.items,
            data.log,
            settings.repeats,
        )
        history = pl.read_parquet(
            [joined_interactions[d] / ROWS for d in train_days],
            columns=["user_id", "item_id", "device_type", "timestamp"],
        )
        seed = seed_for(settings.seed, "model_evaluation", day)
        judged_users = data.validation.sample(JUDGED_USERS, seed)
        best = open_source(settings).best_ranking
        verdict, calibration = compare(models, judged_users, history, best, len(valid_days), seed)
        write_frame(verdict.table, out / METRICS_FILE)
        write_frame(calibration.table, out / CALIBRATION_FILE)
        overall = verdict.table.filter(segment="all")
        context.log.info(f"{overall}")
        bars = {
            f"track {track}": dict(overall.filter(track=track).select("method", "ndcg@10").iter_rows())
            for track in (ALL, NEW)
        }
        return {
            "validation_days": f"{valid_days[0]} … {valid_days[-1]}",
            "users": len(judged_users),
            "cold_users": int(judged_users.cold.sum()),
            "retrieval recall@100": verdict.value("retrieval", "recall@100"),
            "ranked ndcg@10": verdict.value("ranked", "ndcg@10"),
            "popularity ndcg@10": verdict.value("popularity", "ndcg@10"),
            "plot": bar_plot(bars, "NDCG@10", f"Validation {date.fromisoformat(valid_days[0]):%d %b} on, all users"),
            **{f"track {t}": preview(verdict.table.filter(track=t), verdict.table.height) for t in (ALL, NEW)},
            "reliability": reliability_plot(
                calibration.table["score"].to_list(), calibration.table["rate"].to_list(), "Scores of the ranked list"
            ),
            "brier score": calibration.brier,
            "expected calibration error": calibration.expected_error,
        }

    return publish(context, artifacts, write)
