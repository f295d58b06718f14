"""The table of costs: exponents of growth, and times and memory from Dagster's records."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.dagster_costs import costs, exponent, left
from benchmarks.scale import environment, size_of
from rec_assets_tests.pipeline import Pipeline, settings_from


@given(st.floats(0.1, 2), st.floats(0.01, 100))
def test_a_power_of_the_rows_is_found_again(power: float, factor: float) -> None:
    sizes = {rows: factor * rows**power for rows in (1_000, 4_000, 13_000)}
    assert exponent(sizes) == pytest.approx(power)


def test_one_size_says_nothing_of_growth() -> None:
    assert exponent({1_000: 3.0}) is None


def test_thirteen_million_rows_are_the_shop_of_the_seed(tmp_path: Path) -> None:
    variables = environment(13_000_000, tmp_path)
    with settings_from(variables) as settings:
        assert settings.retail_users == 300_000
        assert settings.days * settings.retail_interactions_per_day == pytest.approx(13_000_000, rel=1e-5)
        assert settings.home == tmp_path
        assert settings.as_of + timedelta(days=1) == settings.end_date, "a full training uses all days"


@pytest.mark.parametrize(
    ("name", "size"), [("1000000", (1_000_000, 1)), ("1000000x10", (1_000_000, 10)), ("logs", None), ("10x", None)]
)
def test_a_home_tells_rows_and_items(name: str, size: tuple[int, int] | None) -> None:
    assert size_of(name) == size


def test_a_file_in_two_places_counts_once(tmp_path: Path) -> None:
    for folder in ("artifacts", "dagster"):
        (tmp_path / folder).mkdir()
    file = tmp_path / "artifacts" / "file"
    file.write_bytes(bytes(1_000))
    before = left(tmp_path)
    (tmp_path / "artifacts" / "again").hardlink_to(file)
    (tmp_path / "dagster" / "runs.db").write_bytes(bytes(500))
    after = left(tmp_path)
    assert after["artifacts"] == before["artifacts"]
    assert after["Dagster's records"] == before["Dagster's records"] + 500


@pytest.mark.slow
def test_every_asset_of_a_run_has_its_time_and_memory(pipeline: Pipeline) -> None:
    settings = pipeline.settings
    days = [(settings.start_date + timedelta(days=n)).isoformat() for n in range(settings.days)]
    found = costs(settings, [None, *days])
    assert {"raw_interactions", "two_tower_model", "dlrm_model", "model_evaluation", "model_bundle"} <= set(found)
    assert found["two_tower_model"].seconds > 1
    assert all(50 < cost.peak_mb < 16_000 for cost in found.values())
    assert set(costs(settings, days[:1])) < set(found), "one day has no catalog and no model"
