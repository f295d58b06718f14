"""Daily partitions (UTC) and mappings between partitions. The partition of a model is its as-of day."""

import math
from collections.abc import Iterable
from datetime import date, timedelta

from dagster import BackfillPolicy, DailyPartitionsDefinition, TimeWindowPartitionMapping

from rec_assets.common.silence import silence_dagster
from rec_assets.features.popularity import POPULARITY_DAYS
from rec_assets.orchestration.declared import FromSettings
from rec_assets.settings import Settings

silence_dagster()


@FromSettings
def daily(settings: Settings) -> DailyPartitionsDefinition:
    """Returns one partition per day of the source; for data that go on, a new one each midnight."""
    end = settings.end_date.isoformat() if settings.days else None
    return DailyPartitionsDefinition(start_date=settings.start_date.isoformat(), end_date=end, timezone="UTC")


def runs_of(backfill_days_per_run: int) -> BackfillPolicy:
    """Returns the policy that splits a backfill into runs of `backfill_days_per_run` days; 0: one run for all days."""
    return BackfillPolicy.multi_run(backfill_days_per_run) if backfill_days_per_run else BackfillPolicy.single_run()


@FromSettings
def parallel_backfill(settings: Settings) -> BackfillPolicy:
    """Returns the backfill policy of assets whose days do not depend on each other."""
    return runs_of(settings.backfill_days_per_run)


def trailing(days: int) -> TimeWindowPartitionMapping:
    """Maps a day to the trailing window of `days` days; early days get a shorter window."""
    return TimeWindowPartitionMapping(start_offset=1 - days, end_offset=0, allow_nonexistent_upstream_partitions=True)


def model_days(settings: Settings) -> int:
    """Returns the length of a full training's window in days: training and validation days."""
    return settings.train_days + settings.valid_days


with_day_before = trailing(2)
popularity_window = trailing(POPULARITY_DAYS)
only_day_before = TimeWindowPartitionMapping(start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True)


@FromSettings
def model_window(settings: Settings) -> TimeWindowPartitionMapping:
    """Maps a day to the window of a full training."""
    return trailing(model_days(settings))


@FromSettings
def replay_window(settings: Settings) -> TimeWindowPartitionMapping:
    """Maps a day to itself and the `model_days` days before it, from which a fine-tune replays rows."""
    return trailing(model_days(settings) + 1)


@FromSettings
def earlier_days(settings: Settings) -> TimeWindowPartitionMapping:
    """Maps a day to the `model_days` days before it. One of them is the day of the last full training."""
    return TimeWindowPartitionMapping(
        start_offset=-model_days(settings), end_offset=-1, allow_nonexistent_upstream_partitions=True
    )


@FromSettings
def outcome_window(settings: Settings) -> TimeWindowPartitionMapping:
    """Maps a day to itself and the next days in which interactions with its lists count."""
    return TimeWindowPartitionMapping(
        start_offset=0, end_offset=outcome_days(settings), allow_nonexistent_upstream_partitions=True
    )


def outcome_days(settings: Settings) -> int:
    """Returns the number of days after a day in which interactions with its lists count."""
    return math.ceil(settings.outcome_window_hours / 24)


def window(days: Iterable[str], day: str, length: int) -> list[str]:
    """Returns the days among `days` that lie in the window of `length` days up to `day`, in order.

    A run over a range of days loads the union of all windows, so each day must select its own window.
    """
    first = (date.fromisoformat(day) - timedelta(days=length - 1)).isoformat()
    return sorted(d for d in days if first <= d <= day)


def training_split(days: list[str], settings: Settings) -> tuple[list[str], list[str]]:
    """Splits the days of a model's window into training and validation days, each in order.

    At most a third of the days, and at least one day, are validation days.
    """
    ordered = sorted(days)
    valid = min(settings.valid_days, max(1, len(ordered) // 3))
    return ordered[:-valid], ordered[-valid:]


def day_before(day: str) -> str:
    """Returns the partition key of the previous day."""
    return day_after(day, -1)


def day_after(day: str, days: int) -> str:
    """Returns the partition key of a number of days later."""
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
