"""The days that `rec backfill` builds."""

from datetime import date, timedelta
from pathlib import Path

import pytest

from rec_assets.common.errors import ActionableError
from rec_assets.orchestration.runs.run_local import backfill_phases
from rec_assets.settings import Settings
from rec_assets.storage.stores import open_store


@pytest.fixture
def trained(tmp_path: Path) -> Settings:
    """Settings of a home with full trainings of 5 and 9 March."""
    settings = Settings(home=tmp_path, start_date=date(2025, 3, 1), days=14)
    for day in ("2025-03-05", "2025-03-09"):
        with open_store(settings).publish("dlrm_model", day) as draft:
            (draft.path / "model").write_text(day)
    return settings


@pytest.mark.parametrize(
    ("last", "days"),
    [(date(2025, 3, 12), ["10", "11", "12"]), (date(2025, 3, 9), ["06", "07", "08", "09"]), (date(2025, 3, 6), ["06"])],
)
def test_no_day_since_the_last_full_training_is_left_out(trained: Settings, last: date, days: list[str]) -> None:
    catalog, *daily = backfill_phases(trained, last)
    assert (catalog.job, catalog.days) == ("catalog", [])
    assert [phase.job for phase in daily] == ["daily_data", "fine_tuning", "outcome_update"]
    assert all(phase.days == [f"2025-03-{day}" for day in days] for phase in daily)


def test_a_day_without_a_training_before_it_or_without_rows_is_refused(trained: Settings) -> None:
    with pytest.raises(ActionableError, match=r"No full training exists before 2025-03-05(?s:.*)give a later day"):
        backfill_phases(trained, date(2025, 3, 5))
    for day in (trained.start_date - timedelta(days=1), trained.end_date):
        with pytest.raises(ActionableError, match=f"{day} is not a day of the source .*2025-03-01 to 2025-03-14"):
            backfill_phases(trained, day)
