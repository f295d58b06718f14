"""Schedules and the partitions that they request."""

from datetime import UTC, datetime, timedelta

import pytest

from rec_assets_tests.pipeline import Pipeline, definitions

pytestmark = pytest.mark.slow


def test_the_day_that_is_over_is_requested_two_hours_after_midnight(pipeline: Pipeline) -> None:
    from dagster import build_schedule_context

    defs = definitions()
    schedule = defs.get_schedule_def("daily_update_schedule")
    assert schedule.cron_schedule == "0 2 * * *"
    start = pipeline.settings.start_date
    tick = datetime(start.year, start.month, start.day, 2, tzinfo=UTC) + timedelta(days=1)
    with build_schedule_context(scheduled_execution_time=tick, repository_def=defs.get_repository_def()) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert request.partition_key == start.isoformat()


def test_a_full_training_is_requested_once_a_week_for_the_last_day(pipeline: Pipeline) -> None:
    from dagster import build_schedule_context

    defs = definitions()
    from rec_assets.orchestration.partitions import daily

    schedule = defs.get_schedule_def("full_training_schedule")
    assert schedule.cron_schedule == "0 5 * * 1"
    with build_schedule_context(repository_def=defs.get_repository_def()) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert request.partition_key == daily(pipeline.settings).get_last_partition_key()


def test_outcomes_are_requested_for_the_day_whose_window_has_ended(pipeline: Pipeline) -> None:
    from dagster import build_schedule_context

    defs = definitions()
    schedule = defs.get_schedule_def("outcome_update_schedule")
    with build_schedule_context(repository_def=defs.get_repository_def()) as context:
        (request,) = schedule.evaluate_tick(context).run_requests or ()
    assert request.partition_key == (pipeline.settings.end_date - timedelta(days=2)).isoformat()


def test_schedules_are_off_by_default(pipeline: Pipeline) -> None:
    from dagster import DefaultScheduleStatus

    defs = definitions()
    assert {s.default_status for s in defs.schedules or ()} == {DefaultScheduleStatus.STOPPED}
