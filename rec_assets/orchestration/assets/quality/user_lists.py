"""Lists for all users of a day."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
from dagster import AssetExecutionContext, MaterializeResult

from rec_assets.common.errors import ActionableError
from rec_assets.datasets.joined_days import ROWS
from rec_assets.orchestration.assets.feature_data.features import USER_FEATURES, Days, midnight_after
from rec_assets.orchestration.assets.publishing import OWNERS, only, publish
from rec_assets.orchestration.assets.upstream import UpstreamStore
from rec_assets.orchestration.declared import asset
from rec_assets.orchestration.freshness import WEEKLY_FRESHNESS
from rec_assets.orchestration.metadata_plots import preview
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.partitions import daily, model_days, model_window, window
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.sources.base import RAW_ITEMS
from rec_assets.storage.artifacts.artifact import Artifact

LISTS = "lists"  # a folder of parquet files
BUNDLES = ("finetuned_bundle", "model_bundle")


@asset(
    group_name="serving",
    owners=OWNERS,
    op_tags=CPU,
    code_version="1",
    freshness_policy=WEEKLY_FRESHNESS,
    kinds={"parquet", "onnx"},
    partitions_def=daily,
    windows={"joined_interactions": model_window},
    deps=[*BUNDLES, "shop_rules"],
)
def user_lists(
    context: AssetExecutionContext,
    artifacts: Artifacts,
    settings: SettingsResource,
    user_features: Days,
    joined_interactions: Days,
    id_codes: Artifact,
    raw_items: Artifact,
) -> MaterializeResult[None]:
    """The list of every user at the end of the day, by the bundle of the day, as parquet files. For e-mail.

    No schedule builds it: materialize it, or the job `list_all_users`, when the lists are needed.
    """
    from rec_assets.bundles.bundle import Bundle
    from rec_assets.datasets.joined_days import log_of
    from rec_assets.evaluation.bundles.user_lists import lists_of_users
    from rec_assets.features.store.item_attributes import ItemAttributes
    from rec_assets.serving.rule_versions import ShopRules
    from rec_assets.serving.rules.rules import Rules
    from rec_assets.sources import Codes

    store, day = UpstreamStore.of(context, artifacts), only(context)

    def write(out: Path, _: str) -> dict[str, Any]:
        found = [artifact for name in BUNDLES if (artifact := store.find(name, day)) is not None]
        if not found:
            raise ActionableError(
                f"{day} has no bundle, so no lists.", f"Materialize {' or '.join(BUNDLES)} for {day} first."
            )
        bundle = Bundle.open(found[0].path)
        days = window(joined_interactions, day, model_days(settings))
        log = log_of([joined_interactions[d] / ROWS for d in days])
        users = pl.read_parquet(user_features[day] / USER_FEATURES)
        at = int(midnight_after(day).timestamp())
        (out / LISTS).mkdir()
        with_list, rows, first = 0, 0, pl.DataFrame()
        shop = ShopRules(settings)
        current = shop.versions().current
        rules = shop.check(current.text) if current.number else Rules()
        codes, attributes = Codes.load(id_codes.path), ItemAttributes.read(raw_items / RAW_ITEMS)
        parts = lists_of_users(bundle, users, log, at, codes, settings, rules, attributes)
        for number, part in enumerate(parts):
            part.write_parquet(out / LISTS / f"part-{number:05}.parquet")
            with_list, rows = with_list + part["user_id"].n_unique(), rows + part.height
            first = first if first.width else part
            context.log.info(f"{with_list} of {users.height} users as of {date.fromisoformat(day)}")
        shown = preview(first.drop("user")) if first.width else "No user."
        return {"bundle": bundle.bundle_id, "rules": current.title, "users": with_list, "rows": rows, "preview": shown}

    return publish(context, artifacts, write)
