"""Reads the log of answers as a daily asset."""

from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.common.units import DAY_SECONDS
from rec_assets.orchestration.assets.publishing import OWNERS, publish
from rec_assets.orchestration.assets.upstream import UpstreamStore
from rec_assets.orchestration.declared import asset
from rec_assets.orchestration.metadata_plots import preview, text_bars
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily, parallel_backfill
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources import Forgotten
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.frames import write_frame

LISTS = "lists.parquet"


@asset(
    group_name="evaluation",
    owners=OWNERS,
    op_tags=CPU,
    code_version="2",
    kinds={"polars", "parquet"},
    partitions_def=daily,
    backfill_policy=parallel_backfill,
)
def shown_lists(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource, id_codes: Artifact
) -> MaterializeResult[None]:
    """Lists that were shown on the day, from the log of answers: one row per answer and position. May be empty.

    Materialize the day again to include late answers. A day that the log no longer has keeps its rows.
    """
    from rec_assets.evaluation.outcomes.shown import histories_in, read_shown, shown_rows
    from rec_assets.realtime.answers.log import AnswerLog

    log, forgotten = AnswerLog.of(settings), Forgotten.load(id_codes.path)
    store = UpstreamStore.of(context, artifacts)

    def write(out: Path, day: str) -> dict[str, Any]:
        answers = log.read(day, of_inputs=histories_in)
        before = store.find(context.asset_key.path[-1], day) if answers.is_empty() else None
        rows = shown_rows(answers) if before is None else read_shown([before / LISTS]).collect()
        rows = forgotten.without(rows)
        write_frame(rows, out / LISTS)
        if rows.is_empty():
            return {"answers": 0}
        shown = rows.unique("answer_id")
        hours = shown["at"] // 1000 % DAY_SECONDS // 3600
        return {
            "answers": shown.height,
            "answers with an empty list": forgotten.without(answers).filter(pl.col("item_ids").list.len() == 0).height,
            "answers for anonymous users": int((shown["user_id"] < 0).sum()),
            "answers without a history": shown.filter(history_events=0).height,
            "known users": shown.filter(pl.col("user_id") >= 0)["user_id"].n_unique(),
            "bundles": ", ".join(shown["bundle_id"].unique().sort()),
            "rows": rows.height,
            "hours": text_bars([int((hours == hour).sum()) for hour in range(24)]),
            "preview": preview(rows),
        }

    return publish(context, artifacts, write)
