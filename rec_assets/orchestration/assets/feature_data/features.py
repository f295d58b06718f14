"""Daily features. `rec_assets.features` defines them, and `online_features` copies them to the feature store."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.features.days import whole_day
from rec_assets.features.joins import user_features_at
from rec_assets.features.popularity import POPULARITY_DAYS
from rec_assets.features.popularity import item_popularity as count_popularity
from rec_assets.orchestration.assets.data.behavioral_updates import UPDATES
from rec_assets.orchestration.assets.publishing import OWNERS, publish
from rec_assets.orchestration.declared import asset
from rec_assets.orchestration.metadata_plots import preview
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import (
    daily,
    day_before,
    parallel_backfill,
    popularity_window,
    window,
    with_day_before,
)
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources.base import ATTRIBUTES, RAW_INTERACTIONS, RAW_ITEMS, RAW_USERS
from rec_assets.sources.roles import READ, TARGET, only_roles
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.frames import write_frame

COMMON: dict[str, Any] = {"group_name": "features", "owners": OWNERS, "op_tags": CPU, "code_version": "1"}
Days = dict[str, Artifact]
ITEM_FEATURES, USER_FEATURES, POPULARITY = "item_features.parquet", "user_features.parquet", "popularity.parquet"


def known_by(frame: pl.LazyFrame, day: str) -> pl.LazyFrame:
    """Keeps users or items with `first_day` null or at most `day`, without the columns that no model reads."""
    return frame.drop(ATTRIBUTES, strict=False).filter(
        pl.col("first_day").is_null() | (pl.col("first_day") <= date.fromisoformat(day))
    )


def midnight_after(day: str) -> datetime:
    """Returns the end of a UTC day."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), datetime.min.time(), UTC)


def interactions_of(
    raw_interactions: Days, behavioral_updates: Days, day: str, roles: tuple[int, ...] = READ
) -> pl.LazyFrame:
    """Returns rows of a day: raw rows, and interactions recorded online that are missing in the raw rows.

    The default roles are those that models read. See `rec_assets.sources.roles`.
    """
    return only_roles(whole_day(raw_interactions[day] / RAW_INTERACTIONS, behavioral_updates[day] / UPDATES), *roles)


def interactions_before(raw_interactions: Days, behavioral_updates: Days, day: str) -> pl.LazyFrame:
    """Returns the rows of the day before that models read, an empty frame on the first day of history."""
    before = day_before(day)
    if before not in raw_interactions:
        return interactions_of(raw_interactions, behavioral_updates, day).head(0)
    return interactions_of(raw_interactions, behavioral_updates, before)


@asset(
    **COMMON,
    kinds={"polars", "parquet"},
    partitions_def=daily,
    backfill_policy=parallel_backfill,
    windows={
        "raw_interactions": with_day_before,
        "behavioral_updates": with_day_before,
    },
)
def user_features(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    raw_interactions: Days,
    behavioral_updates: Days,
    raw_users: Artifact,
    raw_items: Artifact,
) -> MaterializeResult[None]:
    """Age, gender and top_category of every user at the end of the day.

    `top_category` is the most frequent category of the user's interactions in the last 24 hours.
    """

    def write(out: Path, day: str) -> dict[str, Any]:
        at = midnight_after(day)
        frame = user_features_at(
            int(at.timestamp()),
            known_by(pl.scan_parquet(raw_users / RAW_USERS), day),
            interactions_of(raw_interactions, behavioral_updates, day),
            interactions_before(raw_interactions, behavioral_updates, day),
            pl.scan_parquet(raw_items / RAW_ITEMS),
        ).with_columns(event_timestamp=pl.lit(at))
        features = frame.collect(engine="streaming")
        write_frame(features, out / USER_FEATURES)
        active = features.filter(pl.col("top_category") >= 0).height
        return {"users": features.height, "users_with_top_category": active, "preview": preview(features)}

    return publish(context, artifacts, write)


@asset(
    **COMMON,
    kinds={"polars", "parquet"},
    partitions_def=daily,
    backfill_policy=parallel_backfill,
    windows={
        "raw_interactions": popularity_window,
        "behavioral_updates": popularity_window,
    },
)
def item_popularity(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    raw_interactions: Days,
    behavioral_updates: Days,
    raw_items: Artifact,
) -> MaterializeResult[None]:
    """Interactions that teach of each item over the last 7 days, for trending items overall and by category."""
    titles = pl.read_parquet(raw_items / RAW_ITEMS, columns=["item_id", "title"])

    def write(out: Path, day: str) -> dict[str, Any]:
        days = window(raw_interactions, day, POPULARITY_DAYS)
        week = [interactions_of(raw_interactions, behavioral_updates, key, (TARGET,)) for key in days]
        items = known_by(pl.scan_parquet(raw_items / RAW_ITEMS), day)
        counts = count_popularity(pl.concat(week), items).collect(engine="streaming")
        write_frame(counts, out / POPULARITY)
        top = counts.head(10).join(titles, on="item_id", how="left")
        return {"days": len(week), "interactions": int(counts["interactions"].sum()), "top": preview(top, 10)}

    return publish(context, artifacts, write)


@asset(**COMMON, kinds={"polars", "parquet"}, partitions_def=daily, backfill_policy=parallel_backfill)
def item_features(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource, raw_items: Artifact
) -> MaterializeResult[None]:
    """Price, categories and gender affinity of every catalog item at the end of the day, for the feature store."""

    def write(out: Path, day: str) -> dict[str, Any]:
        items = known_by(pl.scan_parquet(raw_items / RAW_ITEMS), day).select(
            "item_id", "price", "category_l1", "category_l2", "item_gender", event_timestamp=pl.lit(midnight_after(day))
        )
        features = items.collect()
        write_frame(features, out / ITEM_FEATURES)
        return {"items": features.height, "preview": preview(features)}

    return publish(context, artifacts, write)
