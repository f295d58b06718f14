"""The worker's log as an asset, by day."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult, asset

from rec_assets.orchestration.assets.publishing import OWNERS, publish
from rec_assets.orchestration.metadata_plots import preview
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily, parallel_backfill
from rec_assets.orchestration.resources import Artifacts
from rec_assets.settings import get_settings
from rec_assets.storage.artifact_store import Artifact
from rec_assets.storage.frames import write_frame

UPDATES = "updates.parquet"


@asset(
    group_name="features",
    owners=OWNERS,
    op_tags=CPU,
    code_version="1",
    kinds={"polars", "parquet"},
    partitions_def=daily,
    backfill_policy=parallel_backfill,
)
def behavioral_updates(
    context: AssetExecutionContext, artifacts: Artifacts, raw_items: Artifact, raw_users: Artifact
) -> MaterializeResult[None]:
    """The day's online events as the workers logged them, checked like a raw day; no event is an empty day.

    It joins the raw day wherever that is read, and so the next fine-tune. Materialize it again for what came late.
    """
    from rec_assets.realtime.behavior_log import BehaviorLog
    from rec_assets.sources.contract import check_interactions

    log = BehaviorLog.of(get_settings())
    items = pl.read_parquet(raw_items / "items.parquet", columns=["item_id"])["item_id"]
    users = pl.read_parquet(raw_users / "users.parquet", columns=["user_id"])["user_id"]

    def write(out: Path, day: str) -> dict[str, Any]:
        checked = check_interactions(
            log.read(day), date.fromisoformat(day), f"the behavioral log of {day}", items, users
        )
        write_frame(checked.frame, out / UPDATES)
        return {**checked.report.as_dict(), "preview": preview(checked.frame)}

    return publish(context, artifacts, write)
