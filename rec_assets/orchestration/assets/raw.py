"""Raw data as it comes in, checked against the contract of `rec_assets.sources.contract`."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult, asset

from rec_assets.orchestration.assets.publishing import OWNERS, publish
from rec_assets.orchestration.metadata_plots import histogram, preview
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily, parallel_backfill
from rec_assets.orchestration.resources import Artifacts
from rec_assets.settings import get_settings
from rec_assets.sources import open_source, read_day, read_items, read_users
from rec_assets.storage.artifact_store import Artifact
from rec_assets.storage.frames import write_frame

# The version changes with the source and its sizes, so that the graph knows its raw data are out of date.
COMMON: dict[str, Any] = {
    "group_name": "raw",
    "owners": OWNERS,
    "op_tags": CPU,
    "code_version": f"1-{get_settings().source_version}",
}


@asset(**COMMON, kinds={"parquet"})
def raw_items(context: AssetExecutionContext, artifacts: Artifacts) -> MaterializeResult[None]:
    """The catalog: titles, descriptions, prices, categories, gender affinity and a picture each."""
    source = open_source(get_settings())

    def write(out: Path, _: str) -> dict[str, Any]:
        checked = read_items(source)
        items = checked.frame
        write_frame(items, out / "items.parquet")
        (out / "item_images").mkdir()
        pictures = source.write_pictures(out / "item_images")
        return {
            **checked.report.as_dict(),
            "pictures": pictures,
            "missing_pictures": items.height - pictures,
            "categories": items["category_l1"].n_unique(),
            "styles": items["category_l2"].n_unique(),
            "preview": preview(items),
            "prices": histogram(items["price"].to_list(), "price", "Prices"),
        }

    return publish(context, artifacts, write)


@asset(**COMMON, kinds={"parquet"})
def raw_users(context: AssetExecutionContext, artifacts: Artifacts) -> MaterializeResult[None]:
    """Everyone with an account: age and gender where known."""
    source = open_source(get_settings())

    def write(out: Path, _: str) -> dict[str, Any]:
        checked = read_users(source)
        write_frame(checked.frame, out / "users.parquet")
        unknown = checked.frame["age"].null_count()
        return {**checked.report.as_dict(), "unknown_age": unknown, "preview": preview(checked.frame)}

    return publish(context, artifacts, write)


@asset(**COMMON, kinds={"parquet"}, partitions_def=daily, backfill_policy=parallel_backfill)
def raw_interactions(
    context: AssetExecutionContext, artifacts: Artifacts, raw_items: Artifact, raw_users: Artifact
) -> MaterializeResult[None]:
    """One UTC day of interactions, checked: types, ranges, the day itself, duplicates, unknown items and users."""
    source = open_source(get_settings())
    items = pl.read_parquet(raw_items / "items.parquet", columns=["item_id"])["item_id"]
    users = pl.read_parquet(raw_users / "users.parquet", columns=["user_id"])["user_id"]

    def write(out: Path, day: str) -> dict[str, Any]:
        checked = read_day(source, date.fromisoformat(day), items, users)
        write_frame(checked.frame, out / "interactions.parquet")
        hours = (checked.frame["timestamp"] // 3600 % 24).to_list()
        return {
            **checked.report.as_dict(),
            "preview": preview(checked.frame),
            **({"hours": histogram(hours, "hour of day (UTC)", day)} if hours else {"empty_day": True}),
        }

    return publish(context, artifacts, write)
