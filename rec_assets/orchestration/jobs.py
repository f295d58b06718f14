"""Jobs: selections of assets that run together, and the deletion of expired artifacts."""

from typing import Any

from dagster import (
    AssetCheckKey,
    AssetKey,
    AssetSelection,
    JobDefinition,
    OpExecutionContext,
    define_asset_job,
    job,
    op,
)

from rec_assets.orchestration.declared import retries_of
from rec_assets.orchestration.freshness import CHECK, DAILY_ASSETS, DAILY_ROWS, OUTCOME_ASSETS
from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.resources import Artifacts, SettingsResource
from rec_assets.serving.promotion import retention
from rec_assets.settings import Settings

RAW = AssetSelection.assets("id_codes", "raw_items", "raw_users")
CATALOG = RAW | AssetSelection.groups("embeddings")
DAILY = AssetSelection.assets(*DAILY_ROWS)
FULL_TRAINING = AssetSelection.groups("training") | AssetSelection.assets(
    "nvt_workflows", "training_set", "model_evaluation", "model_bundle"
)
FINETUNING = AssetSelection.groups("finetuning") | AssetSelection.assets(
    "finetune_evaluation", "finetuned_bundle", "next_day_evaluation"
)
OUTCOMES = AssetSelection.assets(*OUTCOME_ASSETS)
PROMOTION = AssetSelection.assets("triton_versions", "live_bundle")
RULES = AssetSelection.assets("shop_rules")
ONLINE = AssetSelection.assets("feature_store", "online_features", "online_history", "online_catalog") | RULES
CATALOG_UPDATE = AssetSelection.assets("id_codes", "raw_items", "online_catalog") | RULES

# The catalog too: new items join the same day, and withdrawn items leave.
DAILY_UPDATE = CATALOG | DAILY | ONLINE | FINETUNING | OUTCOMES
# Freshness checks test yesterday's partition, whatever day a job builds. So only their sensor runs them.
FRESHNESS = AssetSelection.checks(*(AssetCheckKey(AssetKey(name), CHECK) for name in DAILY_ASSETS))

catalog = define_asset_job("catalog", CATALOG, description="Items, users, and the vectors of images and descriptions.")
# With ids, items and users: a day's rows may have new ones.
daily_data = define_asset_job(
    "daily_data",
    (RAW | DAILY) - FRESHNESS,
    description="Ids, items and users; raw rows, features and joined rows of a day.",
)
catalog_update = define_asset_job(
    "catalog_update", CATALOG_UPDATE, description="Reads the catalog; all lists follow it within seconds."
)
rules_update = define_asset_job(
    "rules_update", RULES, description="Records the current rules of the shop, and sends them to Valkey again."
)
online_store = define_asset_job(
    "online_store", ONLINE - FRESHNESS, description="Writes the features of a day to Valkey."
)
full_training = define_asset_job(
    "full_training", FULL_TRAINING - FRESHNESS, description="Workflows, models, evaluation, bundle and gates."
)
fine_tuning = define_asset_job(
    "fine_tuning", FINETUNING - FRESHNESS, description="Fine-tune of a day, with evaluation, bundle and gates."
)
daily_update = define_asset_job(
    "daily_update",
    DAILY_UPDATE - FRESHNESS,
    description="Ingest, features, fine-tune, evaluation and bundle of a day, and the outcomes of its lists so far.",
)
outcome_update = define_asset_job(
    "outcome_update", OUTCOMES - FRESHNESS, description="Shown lists of a day, interactions with them, and drift."
)

list_all_users = define_asset_job(
    "list_all_users", AssetSelection.assets("user_lists"), description="The list of every user as of a day, as parquet."
)
promote = define_asset_job("promote", PROMOTION, description="Makes the newest bundle that passed its gates live.")
rollback = define_asset_job(
    "rollback",
    PROMOTION,
    config={"ops": {"promotion": {"config": {"bundle": "previous"}}}},
    description="Makes the previous bundle live again.",
)


def prune_job(settings: Settings) -> JobDefinition:
    """Builds the job `prune`. Its pod has the size of a cpu step."""

    # A second attempt deletes what the first one left.
    @op(tags=CPU(settings), retry_policy=retries_of(settings))
    def delete_expired_artifacts(context: OpExecutionContext, artifacts: Artifacts, settings: SettingsResource) -> None:
        """Deletes artifacts of days before the newest `REC_KEEP_DAYS`, as in `serving.promotion.retention`."""
        deleted = retention.delete_expired(artifacts.store(), settings)
        lines = [f"{asset}: {days} days" for asset, days in sorted(deleted.items())]
        context.log.info("\n".join(lines) or "No artifact has expired.")

    @job
    def prune() -> None:
        """Deletes artifacts of old days, as `rec prune` does."""
        delete_expired_artifacts()

    return prune


def jobs_of(settings: Settings) -> dict[str, Any]:
    """Returns all jobs by name."""
    asset_jobs: list[Any] = [
        catalog,
        catalog_update,
        rules_update,
        daily_data,
        online_store,
        full_training,
        fine_tuning,
        daily_update,
        outcome_update,
        list_all_users,
        promote,
        rollback,
    ]
    return {one.name: one for one in (*asset_jobs, prune_job(settings))}
