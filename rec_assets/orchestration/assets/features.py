"""Daily features, and their copies in the feature store. `rec_assets.features` defines the features."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.features.catalog_state import CHANGED_AT, changed_since, next_state
from rec_assets.features.days import whole_day
from rec_assets.features.joins import user_features_at
from rec_assets.features.popularity import POPULARITY_DAYS
from rec_assets.features.popularity import item_popularity as count_popularity
from rec_assets.orchestration.assets.behavioral_updates import UPDATES
from rec_assets.orchestration.assets.publishing import OWNERS, only, publish
from rec_assets.orchestration.assets.upstream import UpstreamStore
from rec_assets.orchestration.declared import asset
from rec_assets.orchestration.freshness import WEEKLY_FRESHNESS
from rec_assets.orchestration.metadata_plots import preview
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import (
    daily,
    day_before,
    model_window,
    parallel_backfill,
    popularity_window,
    window,
    with_day_before,
)
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources.base import RAW_INTERACTIONS, RAW_ITEMS, RAW_USERS
from rec_assets.storage.artifact_store import Artifact
from rec_assets.storage.frames import write_frame
from rec_assets.storage.versions import UNPARTITIONED

COMMON: dict[str, Any] = {"group_name": "features", "owners": OWNERS, "op_tags": CPU, "code_version": "1"}
APPLIED, CATALOG_STATE = "applied.txt", "catalog.parquet"
Days = dict[str, Artifact]
ITEM_FEATURES, USER_FEATURES, POPULARITY = "item_features.parquet", "user_features.parquet", "popularity.parquet"


def known_by(frame: pl.LazyFrame, day: str) -> pl.LazyFrame:
    """Filters users or items: keeps rows with `first_day` null or at most `day`."""
    return frame.filter(pl.col("first_day").is_null() | (pl.col("first_day") <= date.fromisoformat(day)))


def midnight_after(day: str) -> datetime:
    """Returns the end of a UTC day."""
    return datetime.combine(date.fromisoformat(day) + timedelta(days=1), datetime.min.time(), UTC)


def interactions_of(raw_interactions: Days, behavioral_updates: Days, day: str) -> pl.LazyFrame:
    """Returns all rows of a day: raw rows, and interactions recorded online that are missing in the raw rows."""
    return whole_day(raw_interactions[day] / RAW_INTERACTIONS, behavioral_updates[day] / UPDATES)


def interactions_before(raw_interactions: Days, behavioral_updates: Days, day: str) -> pl.LazyFrame:
    """Returns the rows of the day before, an empty frame on the first day of history."""
    before = day_before(day)
    if before not in raw_interactions:
        return pl.scan_parquet(raw_interactions[day] / RAW_INTERACTIONS).head(0)
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
    """Interaction counts of each item over the last 7 days, for trending items overall and by category."""
    titles = pl.read_parquet(raw_items / RAW_ITEMS, columns=["item_id", "title"])

    def write(out: Path, day: str) -> dict[str, Any]:
        days = window(raw_interactions, day, POPULARITY_DAYS)
        week = [interactions_of(raw_interactions, behavioral_updates, key) for key in days]
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


@asset(**COMMON, freshness_policy=WEEKLY_FRESHNESS, kinds={"feast"}, deps=["user_features", "item_features"])
def feature_store(
    context: AssetExecutionContext, artifacts: Artifacts, settings: SettingsResource
) -> MaterializeResult[None]:
    """The Feast registry: entities and feature views over the newest day of features (`feast apply`)."""
    from rec_assets.features.store import online

    store = UpstreamStore.of(context, artifacts)
    day = (store.partitions("user_features") or [settings.start_date.isoformat()])[-1]

    def write(out: Path, _: str) -> dict[str, Any]:
        online.apply(
            settings,
            store.get("user_features", day) / USER_FEATURES,
            store.get("item_features", day) / ITEM_FEATURES,
        )
        (out / APPLIED).write_text(f"{day}\n")
        return {"views": "user_features, item_features", "as_of": day}

    return publish(context, artifacts, write)


@asset(**{**COMMON, "code_version": "2"}, kinds={"feast", "redis"}, partitions_def=daily, deps=["feature_store"])
def online_features(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    user_features: Days,
    item_features: Days,
    item_popularity: Days,
) -> MaterializeResult[None]:
    """The day's features (`feast materialize`) and trending items in Valkey, for requests."""
    from rec_assets.features.store import online
    from rec_assets.features.store.offline import land
    from rec_assets.features.store.views import ITEM_VIEW, USER_VIEW
    from rec_assets.realtime.trending import Trending
    from rec_assets.storage.own_valkey import require_own_valkey

    day = only(context)

    def write(out: Path, _: str) -> dict[str, Any]:
        require_own_valkey(settings)
        at = midnight_after(day)
        users, items = user_features[day] / USER_FEATURES, item_features[day] / ITEM_FEATURES
        for view, file in ((USER_VIEW, users), (ITEM_VIEW, items)):
            land(settings, view, day, file)
        online.apply(settings, users, items)
        online.materialize(settings, at - timedelta(seconds=1), at)
        counts = pl.read_parquet(item_popularity[day] / POPULARITY)
        Trending.connect(settings).replace(counts, day)
        (out / "materialized.txt").write_text(f"{users.parent.name}\n{items.parent.name}\n")
        sizes = {"users": pl.scan_parquet(users), "items": pl.scan_parquet(items)}
        return {name: frame.select(pl.len()).collect().item() for name, frame in sizes.items()}

    return publish(context, artifacts, write)


@asset(**COMMON, freshness_policy=WEEKLY_FRESHNESS, kinds={"feast", "redis"})
def online_catalog(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    raw_items: Artifact,
    feature_store: Artifact,
) -> MaterializeResult[None]:
    """Changes of the catalog, in Valkey: items that no list may show, new prices and categories.

    Every serving process reads them within a second. The earlier version of this asset shows which items changed.
    """
    from rec_assets.features.store import online
    from rec_assets.features.store.unavailable import UnavailableItems
    from rec_assets.storage.valkey import connect

    earlier = UpstreamStore.of(context, artifacts).find("online_catalog", UNPARTITIONED)

    def write(out: Path, _: str) -> dict[str, Any]:
        before = None if earlier is None else pl.read_parquet(earlier / CATALOG_STATE)
        daily_features = int(midnight_after((feature_store / APPLIED).read_text().strip()).timestamp())
        state = next_state(pl.read_parquet(raw_items / RAW_ITEMS), before, daily_features)
        changed = changed_since(state, before)
        if changed.height:
            online.write_items(settings, changed, changed[CHANGED_AT].to_numpy())
        hidden = state.filter(~pl.col("available"))["item_id"]
        UnavailableItems(connect(settings, UnavailableItems.DB)).replace(hidden)
        write_frame(state, out / CATALOG_STATE)
        return {"items": state.height, "unavailable_items": hidden.len(), "changed_items": changed.height}

    return publish(context, artifacts, write)


@asset(
    **COMMON,
    kinds={"redis"},
    partitions_def=daily,
    windows={
        "raw_interactions": model_window,
        "behavioral_updates": model_window,
    },
)
def online_history(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    raw_interactions: Days,
    behavioral_updates: Days,
) -> MaterializeResult[None]:
    """The latest interactions of each user up to the end of the day, in Valkey. Requests read them as history.

    Only adds interactions. Interactions recorded online stay, and rebuilding an older day keeps newer interactions.
    """
    from rec_assets.features.history import latest_events
    from rec_assets.realtime.recent_items import RecentItems
    from rec_assets.storage.own_valkey import require_own_valkey
    from rec_assets.storage.valkey import connect

    only(context)

    def write(out: Path, _: str) -> dict[str, Any]:
        require_own_valkey(settings)
        days = [interactions_of(raw_interactions, behavioral_updates, day) for day in sorted(raw_interactions)]
        events = latest_events(pl.concat(days)).collect(engine="streaming")
        recent_items = RecentItems(connect(settings, RecentItems.DB), settings.history_days)
        recent_items.add_all(*(events[name].to_numpy() for name in ("user_id", "item_id", "timestamp")))
        counts = {"days": len(days), "interactions": events.height, "users": events["user_id"].n_unique()}
        (out / "materialized.json").write_text(json.dumps(counts))
        return counts

    return publish(context, artifacts, write)
