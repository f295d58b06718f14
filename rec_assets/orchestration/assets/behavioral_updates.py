"""Reads the offline log of the workers as a daily asset."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.features.days import INTERACTION
from rec_assets.orchestration.assets.publishing import OWNERS, publish
from rec_assets.orchestration.declared import asset
from rec_assets.orchestration.metadata_plots import preview
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily, parallel_backfill
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources import Forgotten
from rec_assets.sources.base import RAW_ITEMS, RAW_USERS
from rec_assets.sources.roles import online_role
from rec_assets.storage.artifact_store import Artifact
from rec_assets.storage.frames import write_frame

UPDATES = "updates.parquet"


@asset(
    group_name="features",
    owners=OWNERS,
    op_tags=CPU,
    code_version="2",
    kinds={"polars", "parquet"},
    partitions_def=daily,
    backfill_policy=parallel_backfill,
)
def behavioral_updates(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    raw_items: Artifact,
    raw_users: Artifact,
    id_codes: Artifact,
) -> MaterializeResult[None]:
    """Online events of the day from the workers' offline log, checked like a raw day. May be empty.

    Assets that read the raw day also read these events, so the next fine-tune trains on them. Materialize the day again
    to include late events.
    """
    from rec_assets.realtime.open_log import open_log
    from rec_assets.sources.contract import check_interactions

    log, forgotten = open_log(settings), Forgotten.load(id_codes.path)
    items = pl.read_parquet(raw_items / RAW_ITEMS, columns=["item_id"])["item_id"]
    users = pl.read_parquet(raw_users / RAW_USERS, columns=["user_id"])["user_id"]

    def write(out: Path, day: str) -> dict[str, Any]:
        events = forgotten.without(log.read(day)).with_columns(online_role(clicks_teach=settings.clicks_teach))
        checked = check_interactions(events, date.fromisoformat(day), f"the offline log of {day}", items, users)
        kinds = events.select(*INTERACTION, "kind")
        write_frame(checked.frame.join(kinds, on=INTERACTION, how="left", maintain_order="left"), out / UPDATES)
        return {**checked.report.as_dict(), "preview": preview(checked.frame)}

    return publish(context, artifacts, write)
