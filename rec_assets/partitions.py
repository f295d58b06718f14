"""Daily partitions (UTC) and the mappings between them. A model is keyed by its as-of day D, the last day it knows."""

from datetime import date, timedelta

from dagster import DailyPartitionsDefinition, TimeWindowPartitionMapping

from rec_assets.features.popularity import POPULARITY_DAYS
from rec_assets.quiet import quiet_dagster
from rec_assets.settings import Settings, get_settings

quiet_dagster()
_settings = get_settings()

daily = DailyPartitionsDefinition(
    start_date=_settings.start_date.isoformat(), end_date=_settings.end_date.isoformat(), timezone="UTC"
)


def trailing(days: int) -> TimeWindowPartitionMapping:
    """A day depends on the `days` days that end with it; the first days of history on what there is."""
    return TimeWindowPartitionMapping(start_offset=1 - days, end_offset=0, allow_nonexistent_upstream_partitions=True)


with_day_before = trailing(2)
popularity_window = trailing(POPULARITY_DAYS)
model_window = trailing(_settings.train_days + _settings.valid_days)
only_day_before = TimeWindowPartitionMapping(start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True)
# As far back as a model's window: what a fine-tune replays, and what it goes on from.
replay_window = trailing(_settings.train_days + _settings.valid_days + 1)
earlier_days = TimeWindowPartitionMapping(
    start_offset=-(_settings.train_days + _settings.valid_days),
    end_offset=-1,
    allow_nonexistent_upstream_partitions=True,
)


def training_split(days: list[str], settings: Settings) -> tuple[list[str], list[str]]:
    """Splits the days of a model's window into training and validation days, each in order.

    Where history is shorter than the window, validation keeps its share and training has at least one day.
    """
    ordered = sorted(days)
    valid = min(settings.valid_days, max(1, len(ordered) // 3))
    return ordered[:-valid], ordered[-valid:]


def day_before(day: str) -> str:
    """Returns the partition key of the previous day."""
    return (date.fromisoformat(day) - timedelta(days=1)).isoformat()
