"""Daily partitions (UTC) and the mappings between them. A model is keyed by its as-of day D, the last day it knows."""

from collections.abc import Iterable
from datetime import date, timedelta

from dagster import BackfillPolicy, DailyPartitionsDefinition, TimeWindowPartitionMapping

from rec_assets.common.silence import silence_dagster
from rec_assets.features.popularity import POPULARITY_DAYS
from rec_assets.settings import Settings, get_settings

silence_dagster()
_settings = get_settings()

daily = DailyPartitionsDefinition(
    start_date=_settings.start_date.isoformat(), end_date=_settings.end_date.isoformat(), timezone="UTC"
)


def runs_of(backfill_days_per_run: int) -> BackfillPolicy:
    """Splits a range of days into runs, for assets whose days can be made in parallel; 0: one run."""
    return BackfillPolicy.multi_run(backfill_days_per_run) if backfill_days_per_run else BackfillPolicy.single_run()


parallel_backfill = runs_of(_settings.backfill_days_per_run)


def trailing(days: int) -> TimeWindowPartitionMapping:
    """A day depends on the `days` days that end with it; the first days of history on what there is."""
    return TimeWindowPartitionMapping(start_offset=1 - days, end_offset=0, allow_nonexistent_upstream_partitions=True)


with_day_before = trailing(2)
popularity_window = trailing(POPULARITY_DAYS)
MODEL_DAYS = _settings.train_days + _settings.valid_days
model_window = trailing(MODEL_DAYS)
only_day_before = TimeWindowPartitionMapping(start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True)
# As far back as a model's window: what a fine-tune replays, and what it goes on from.
replay_window = trailing(MODEL_DAYS + 1)
earlier_days = TimeWindowPartitionMapping(
    start_offset=-MODEL_DAYS, end_offset=-1, allow_nonexistent_upstream_partitions=True
)


def window(days: Iterable[str], day: str, length: int) -> list[str]:
    """Returns, of some days, those of the `length` days that end with one, in order.

    A run over a range of days is given the windows of all of them: what comes later is none of a day's business.
    """
    first = (date.fromisoformat(day) - timedelta(days=length - 1)).isoformat()
    return sorted(d for d in days if first <= d <= day)


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
