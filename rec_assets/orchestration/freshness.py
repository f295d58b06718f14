"""Freshness in the Dagster UI: checks for daily assets, policies for all other assets."""

from collections.abc import Sequence
from datetime import timedelta

from dagster import (
    AssetChecksDefinition,
    DefaultSensorStatus,
    FreshnessPolicy,
    SensorDefinition,
    build_sensor_for_freshness_checks,
    build_time_partition_freshness_checks,
)

# UTC time of the next day when the partition of a day must exist.
DEADLINE_CRON = "0 8 * * *"
# Assets of the daily update by job.
DAILY_ROWS = (
    "raw_interactions",
    "behavioral_updates",
    "user_features",
    "item_features",
    "item_popularity",
    "joined_interactions",
    "masked_train_set",
)
OUTCOME_ASSETS = ("shown_lists", "outcomes", "answer_drift")
DAILY_ASSETS = (
    *DAILY_ROWS,
    *OUTCOME_ASSETS,
    "online_features",
    "online_history",
    "replay_set",
    "finetune_set",
    "daily_item_index",
    "finetuned_query_tower",
    "finetuned_dlrm",
    "finetune_evaluation",
    "next_day_evaluation",
    "finetuned_bundle",
)
CHECK = "freshness_check"  # the name that Dagster gives

# A full training runs once a week. The catalog, its vectors and the live bundle should be at most that old.
WEEKLY_FRESHNESS = FreshnessPolicy.time_window(fail_window=timedelta(days=15), warn_window=timedelta(days=8))


def freshness_checks() -> Sequence[AssetChecksDefinition]:
    """Builds checks that warn while yesterday's partition of a daily asset is missing."""
    return build_time_partition_freshness_checks(assets=DAILY_ASSETS, deadline_cron=DEADLINE_CRON)


def freshness_sensor(checks: Sequence[AssetChecksDefinition]) -> SensorDefinition:
    """Builds the sensor that runs the checks after the deadline. It is off until an operator starts it in the UI."""
    return build_sensor_for_freshness_checks(
        freshness_checks=checks, name="freshness_sensor", default_status=DefaultSensorStatus.STOPPED
    )
