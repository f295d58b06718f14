from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.settings import Settings

DAYS = [(date(2025, 3, 3) + timedelta(days=n)).isoformat() for n in range(20)]


@given(st.integers(2, 20), st.integers(1, 6))
def test_a_window_splits_into_training_days_then_validation_days(length: int, valid_days: int) -> None:
    from rec_assets.orchestration.partitions import training_split

    train, valid = training_split(DAYS[:length][::-1], Settings(valid_days=valid_days))
    assert train + valid == DAYS[:length]
    assert train and 1 <= len(valid) <= valid_days


def test_a_full_window_validates_on_the_configured_number_of_days() -> None:
    from rec_assets.orchestration.partitions import training_split

    train, valid = training_split(DAYS[:12], Settings(train_days=9, valid_days=3))
    assert (len(train), valid) == (9, DAYS[9:12])


def test_days_with_an_end_do_not_grow() -> None:
    from rec_assets.orchestration.partitions import daily

    closed = daily(Settings(source="files", start_date=date(2025, 3, 3), days=14))
    assert closed.get_partition_keys(datetime(2030, 1, 1, tzinfo=UTC)) == DAYS[:14]


def test_generated_days_need_an_end() -> None:
    with pytest.raises(ValueError, match="Set REC_DAYS"):
        Settings(source="retail", days=0)


@pytest.mark.parametrize(("day", "expected"), [("2025-03-01", "2025-02-28"), ("2025-01-01", "2024-12-31")])
def test_the_day_before_crosses_months_and_years(day: str, expected: str) -> None:
    from rec_assets.orchestration.partitions import day_before

    assert day_before(day) == expected


def test_raw_data_is_out_of_date_when_its_source_changes_and_only_then() -> None:
    version = Settings().source_version
    assert Settings(retail_users=20_000).source_version != version
    assert Settings(seed=1).source_version != version
    assert Settings(ranking_topk=7, valkey_port=7777).source_version == version


@pytest.mark.parametrize(("backfill_days_per_run", "most"), [(0, None), (1, 1), (5, 5)])
def test_a_range_of_days_is_one_run_or_several_runs_of_a_given_length(
    backfill_days_per_run: int, most: int | None
) -> None:
    from rec_assets.orchestration.partitions import runs_of

    assert runs_of(backfill_days_per_run).max_partitions_per_run == most


def test_data_that_go_on_have_a_partition_for_each_day_up_to_yesterday() -> None:
    from rec_assets.orchestration.partitions import daily

    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    settings = Settings(source="files", start_date=yesterday - timedelta(days=29), train_days=9, valid_days=3)
    keys = daily(settings).get_partition_keys()
    assert (keys[0], keys[-1], len(keys)) == (settings.start_date.isoformat(), yesterday.isoformat(), 30)
    later = daily(settings).get_partition_keys(datetime.now(UTC) + timedelta(days=900))
    assert (later[:30], len(later)) == (keys, 930)
    assert settings.as_of == settings.start_date + timedelta(days=11)
    # Tomorrow, another day belongs to the source, and no artifact is stale for that reason.
    assert settings.source_version == Settings(source="files", start_date=settings.start_date).source_version
    young = Settings(source="files", start_date=yesterday)
    assert (young.as_of, young.end_date) == (yesterday, yesterday + timedelta(days=1))
