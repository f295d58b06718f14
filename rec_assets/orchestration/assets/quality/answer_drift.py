"""Compares inputs, scores and histories of the day's answers with those of the training window."""

from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.datasets.joined_days import ROWS
from rec_assets.orchestration.assets.publishing import OWNERS, publish
from rec_assets.orchestration.assets.quality.shown_lists import LISTS
from rec_assets.orchestration.assets.upstream import UpstreamStore, earlier
from rec_assets.orchestration.declared import On, asset
from rec_assets.orchestration.metadata_plots import preview
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily, day_before, model_days, parallel_backfill, replay_window, window
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources.base import RAW_USERS
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.frames import write_frame

DRIFT_FILE = "drift.parquet"


@asset(
    group_name="evaluation",
    owners=OWNERS,
    op_tags=CPU,
    code_version="2",
    kinds={"polars", "parquet"},
    partitions_def=daily,
    backfill_policy=parallel_backfill,
    deps=[On("shown_lists", replay_window), *earlier("joined_interactions")],
)
def answer_drift(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource, raw_users: Artifact
) -> MaterializeResult[None]:
    """Differences between the day's answers and the days that a training of the day before reads, by feature.

    Inputs of known users are compared with the joined rows of these days. Scores and histories are compared with those
    of the lists that were shown on these days. Contains no user ids.
    """
    from rec_assets.evaluation.outcomes.answer_features import history_features, input_features, score_features
    from rec_assets.evaluation.outcomes.drift import DRIFT, compare_features
    from rec_assets.evaluation.outcomes.shown import read_shown

    store, users = UpstreamStore.of(context, artifacts), pl.scan_parquet(raw_users / RAW_USERS)

    def before(name: str, file: str, day: str) -> list[Path]:
        days = window(store.partitions(name), day_before(day), model_days(settings))
        return [store.get(name, d) / file for d in days]

    def write(out: Path, day: str) -> dict[str, Any]:
        shown = read_shown([store.get("shown_lists", day) / LISTS])
        is_empty = shown.head(1).collect().is_empty()
        inputs = shown.join(users.select("user_id", "age", "gender"), on="user_id", how="left")
        tables = [pl.DataFrame(schema=DRIFT)]
        joined, lists = before("joined_interactions", ROWS, day), before("shown_lists", LISTS, day)
        for features_of, served, files, read in (
            (input_features, inputs, joined, pl.scan_parquet),
            (score_features, shown, lists, read_shown),
            (history_features, shown, lists, read_shown),
        ):
            if files and not is_empty:
                tables.append(compare_features(features_of(served), features_of(read(files)), settings.max_drift))
        table = pl.concat(tables)
        write_frame(table, out / DRIFT_FILE)
        return {"drifted features": int(table["drifted"].sum()), "features": preview(table, table.height)}

    return publish(context, artifacts, write)
