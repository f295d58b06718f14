"""Jobs: the parts of the graph that run together."""

from dagster import AssetSelection, define_asset_job

from rec_assets.partitions import daily

RAW = AssetSelection.assets("raw_items", "raw_users")
CATALOGUE = RAW | AssetSelection.groups("embeddings")
DAILY = AssetSelection.assets(
    "raw_interactions", "user_features", "item_features", "item_popularity", "joined_interactions", "masked_train_set"
)
FULL_TRAINING = AssetSelection.assets("nvt_workflows", "training_set") | AssetSelection.groups(
    "training", "evaluation", "serving"
)
ONLINE = AssetSelection.assets("feature_store", "online_features", "online_history")

ALL = [
    define_asset_job("catalogue", CATALOGUE, description="Items, users, and what pictures and descriptions say."),
    define_asset_job("daily_data", DAILY, partitions_def=daily, description="A day's raw rows, features and joins."),
    define_asset_job("online_store", ONLINE, partitions_def=daily, description="A day's features into Valkey."),
    define_asset_job(
        "full_training", FULL_TRAINING, partitions_def=daily, description="Workflows, models, bundle, Triton version."
    ),
]
