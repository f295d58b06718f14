import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.evaluation.outcomes.drift import DRIFT, FALSE_ALARMS, UNIT, compare_features

DEVICES = ["mobile", "desktop", "tablet", None]


def sample(rng: np.random.Generator, users: int, days: int = 1, *, mobile: float = 0.5) -> pl.DataFrame:
    """Draws rows of users who keep age and device, and have another score on each day."""
    rest = (1 - mobile) / 3
    device = rng.choice(4, users, p=[mobile, rest, rest, rest])
    return pl.DataFrame(
        {
            UNIT: np.tile(np.arange(users), days),
            "device": [DEVICES[one] for one in np.tile(device, days)],
            "age": np.tile(rng.integers(18, 80, users), days).astype(np.float64),
            "score": rng.beta(2, 30, users * days),
        }
    )


@pytest.mark.parametrize(("users", "days"), [(5, 12), (40, 12), (1_000, 6)])
def test_equal_distributions_rarely_raise_an_alarm(users: int, days: int) -> None:
    rng, reports = np.random.default_rng(users), 150
    alarms = sum(
        compare_features(sample(rng, users), sample(rng, users, days), 0.0)["drifted"].any() for _ in range(reports)
    )
    # At FALSE_ALARMS, six or more of 150 have a probability of 0.4 %. Here any PSI is large enough.
    assert alarms < 6
    assert FALSE_ALARMS == 0.01


def test_a_change_of_one_feature_is_found_and_named() -> None:
    rng = np.random.default_rng(0)
    report = compare_features(sample(rng, 400, mobile=0.9), sample(rng, 1_000, 6), 0.2)
    assert report.filter("drifted")["feature"].to_list() == ["device"]
    assert report.row(0, named=True)["change"].startswith("mobile: 5")


def test_the_same_change_in_a_handful_of_answers_is_no_alarm() -> None:
    rng = np.random.default_rng(0)
    assert not compare_features(sample(rng, 8, mobile=0.9), sample(rng, 1_000, 6), 0.2)["drifted"].any()


def test_a_certain_but_small_change_is_no_alarm() -> None:
    rng = np.random.default_rng(0)
    report = compare_features(sample(rng, 20_000, mobile=0.55), sample(rng, 20_000), 0.2)
    device = report.filter(feature="device").row(0, named=True)
    assert device["p_value"] < 1e-6 and not device["drifted"]


def test_a_category_that_the_reference_lacks_is_found() -> None:
    reference = pl.DataFrame({UNIT: range(500), "device": ["mobile", "desktop"] * 250})
    served = pl.DataFrame({UNIT: range(100), "device": ["mobile", "watch"] * 50})
    row = compare_features(served, reference, 0.2).row(0, named=True)
    assert row["drifted"] and row["change"] == "watch: 0% to 50%"


VALUES = st.lists(st.none() | st.floats(0, 1), min_size=1, max_size=30)


@given(served=VALUES, reference=VALUES)
def test_psi_is_symmetric_for_categories_and_zero_for_equal_samples(
    served: list[float | None], reference: list[float | None]
) -> None:
    def frame(values: list[float | None]) -> pl.DataFrame:
        numbers = pl.Series(values, dtype=pl.Float64)
        return pl.DataFrame({UNIT: range(len(values)), "number": numbers, "category": numbers.cast(pl.String)})

    one, other = frame(served), frame(reference)
    report, swapped, same = (compare_features(a, b, 0.2) for a, b in ((one, other), (other, one), (one, one)))
    assert dict(report.schema) == DRIFT
    assert (report["psi"] >= 0).all() and report["p_value"].is_between(0, 1).all()
    psi = [table.filter(feature="category")["psi"].item() for table in (report, swapped)]
    assert psi[0] == pytest.approx(psi[1])
    assert same["psi"].abs().max() < 1e-12  # type: ignore[operator]
    assert not same["drifted"].any()
