"""Copies of daily features, of the catalog's state and of histories in the online stores, for requests."""

import json
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.features.catalog_state import CHANGED_AT, changed_since, next_state
from rec_assets.orchestration.assets.feature_data.features import (
    COMMON,
    ITEM_FEATURES,
    POPULARITY,
    USER_FEATURES,
    Days,
    interactions_of,
    midnight_after,
)
from rec_assets.orchestration.assets.publishing import only, publish
from rec_assets.orchestration.assets.upstream import UpstreamStore
from rec_assets.orchestration.declared import asset
from rec_assets.orchestration.freshness import WEEKLY_FRESHNESS
from rec_assets.orchestration.partitions import daily, model_window
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources.base import RAW_ITEMS
from rec_assets.sources.roles import SEEN
from rec_assets.storage.artifacts.artifact import Artifact
from rec_assets.storage.artifacts.versions import UNPARTITIONED
from rec_assets.storage.frames import write_frame

APPLIED, CATALOG_STATE = "applied.txt", "catalog.parquet"


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
    """The day's features in Feast's online store, and trending items in Valkey, for requests.

    Writes only features that differ from the stored ones. A store without an earlier day gets all rows.
    """
    from rec_assets.features.store import online
    from rec_assets.features.store.offline import land
    from rec_assets.features.store.views import ITEM_VIEW, USER_VIEW
    from rec_assets.features.store.write_day import write_day
    from rec_assets.realtime.stores.trending import Trending
    from rec_assets.storage.valkey.own_server import require_own_valkey

    day = only(context)

    def write(out: Path, _: str) -> dict[str, Any]:
        require_own_valkey(settings)
        at = midnight_after(day)
        users, items = user_features[day] / USER_FEATURES, item_features[day] / ITEM_FEATURES
        for view, file in ((USER_VIEW, users), (ITEM_VIEW, items)):
            land(settings, view, day, file)
        online.apply(settings, users, items)
        written = {
            name: write_day(settings, view, file, at)
            for name, view, file in (("users", USER_VIEW, users), ("items", ITEM_VIEW, items))
        }
        counts = pl.read_parquet(item_popularity[day] / POPULARITY)
        Trending.connect(settings).replace(counts, day)
        (out / "materialized.txt").write_text(f"{users.parent.name}\n{items.parent.name}\n")
        return {
            **{name: one.rows for name, one in written.items()},
            **{f"written_{name}": one.changed for name, one in written.items()},
        }

    return publish(context, artifacts, write)


@asset(**COMMON, freshness_policy=WEEKLY_FRESHNESS, kinds={"feast", "redis"})
def online_catalog(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    raw_items: Artifact,
    feature_store: Artifact,
) -> MaterializeResult[None]:
    """Changes of the catalog, in Valkey: items that no list may show, new prices and categories, and item attributes.

    Every serving process reads them within a second. The earlier version of this asset shows which items changed.
    """
    from rec_assets.features.store import online
    from rec_assets.features.store.item_attributes import ItemAttributes, StoredItemAttributes
    from rec_assets.features.store.unavailable import UnavailableItems
    from rec_assets.storage.valkey.client import connect

    earlier = UpstreamStore.of(context, artifacts).find("online_catalog", UNPARTITIONED)

    def write(out: Path, _: str) -> dict[str, Any]:
        before = None if earlier is None else pl.read_parquet(earlier / CATALOG_STATE)
        daily_features = int(midnight_after((feature_store / APPLIED).read_text().strip()).timestamp())
        items = pl.read_parquet(raw_items / RAW_ITEMS)
        state = next_state(items, before, daily_features)
        changed = changed_since(state, before)
        if changed.height:
            online.write_items(settings, changed, changed[CHANGED_AT].to_numpy())
        hidden = state.filter(~pl.col("available"))["item_id"]
        client = connect(settings)
        UnavailableItems(client).replace(hidden)
        StoredItemAttributes(client).replace(ItemAttributes.of(items))
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

    Items of rows that only filter join the users' seen filters.

    Only adds interactions. Interactions recorded online stay, and rebuilding an older day keeps newer interactions.
    """
    from rec_assets.features.history import latest_events
    from rec_assets.realtime.stores.user_activity import UserActivityStore
    from rec_assets.storage.valkey.own_server import require_own_valkey

    only(context)

    def write(out: Path, _: str) -> dict[str, Any]:
        require_own_valkey(settings)
        days = sorted(raw_interactions)
        read = [interactions_of(raw_interactions, behavioral_updates, day) for day in days]
        events = latest_events(pl.concat(read)).collect(engine="streaming")
        columns = ("user_id", "item_id", "timestamp")
        activity = UserActivityStore.connect(settings)
        activity.recent_items.add_all(*(events[name].to_numpy() for name in columns))
        marked = [interactions_of(raw_interactions, behavioral_updates, day, (SEEN,)) for day in days]
        filtered = pl.concat(marked[-settings.seen_days :]).select(columns).collect()
        activity.mark_seen(filtered, int(midnight_after(days[-1]).timestamp()))
        counts = {
            "days": len(days),
            "interactions": events.height,
            "users": events["user_id"].n_unique(),
            "rows_that_only_filter": filtered.height,
        }
        (out / "materialized.json").write_text(json.dumps(counts))
        return counts

    return publish(context, artifacts, write)
