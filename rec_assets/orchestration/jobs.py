"""Jobs: the parts of the graph that run together."""

from typing import Any

from dagster import AssetSelection, OpExecutionContext, define_asset_job, job, op

from rec_assets.orchestration.op_tags import CPU
from rec_assets.orchestration.resources import Artifacts
from rec_assets.serving.promotion import retention
from rec_assets.settings import get_settings

RAW = AssetSelection.assets("raw_items", "raw_users")
CATALOG = RAW | AssetSelection.groups("embeddings")
DAILY = AssetSelection.assets(
    "raw_interactions",
    "behavioral_updates",
    "user_features",
    "item_features",
    "item_popularity",
    "joined_interactions",
    "masked_train_set",
)
FULL_TRAINING = AssetSelection.groups("training") | AssetSelection.assets(
    "nvt_workflows", "training_set", "model_evaluation", "model_bundle"
)
FINETUNING = AssetSelection.groups("finetuning") | AssetSelection.assets(
    "finetune_evaluation", "finetuned_bundle", "next_day_evaluation"
)
PROMOTION = AssetSelection.assets("triton_versions", "live_bundle")
ONLINE = AssetSelection.assets("feature_store", "online_features", "online_history")

DAILY_UPDATE = DAILY | ONLINE | FINETUNING

catalog = define_asset_job("catalog", CATALOG, description="Items, users, what pictures and descriptions say.")
daily_data = define_asset_job("daily_data", DAILY, description="A day's raw rows, features and joins.")
online_store = define_asset_job("online_store", ONLINE, description="A day's features into Valkey.")
full_training = define_asset_job("full_training", FULL_TRAINING, description="Workflows, models, bundle, its gates.")
fine_tuning = define_asset_job(
    "fine_tuning", FINETUNING, description="A day's fine-tune, its evaluation and its bundle."
)
daily_update = define_asset_job(
    "daily_update", DAILY_UPDATE, description="Ingest, features, fine-tune, evaluation, bundle."
)

promote = define_asset_job("promote", PROMOTION, description="A bundle goes live: the newest that passed its gates.")
rollback = define_asset_job(
    "rollback",
    PROMOTION,
    config={"ops": {"promotion": {"config": {"bundle": "previous"}}}},
    description="The bundle that was live before this one is live again.",
)


@op(tags=CPU)
def delete_expired_artifacts(context: OpExecutionContext, artifacts: Artifacts) -> None:
    """Deletes artifacts of days before the newest `REC_KEEP_DAYS`, by the rule of `serving.promotion.retention`."""
    gone = retention.delete_expired(artifacts.store(), get_settings())
    context.log.info(
        "\n".join(f"{asset}: {days} days" for asset, days in sorted(gone.items())) or "Nothing had expired."
    )


@job
def prune() -> None:
    """Deletes artifacts of old days, as `rec prune` does."""
    delete_expired_artifacts()


# Dagster has no public name for what jobs of assets and of ops both are.
ALL: list[Any] = [catalog, daily_data, online_store, full_training, fine_tuning, daily_update, promote, rollback, prune]
