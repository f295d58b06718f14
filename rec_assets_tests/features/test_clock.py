from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.clock import FEATURES, clock_features

SECONDS = st.integers(0, 2**31 - 1)


@given(SECONDS)
def test_hour_and_weekday_are_those_of_the_calendar_in_utc(second: int) -> None:
    moment = datetime.fromtimestamp(second, UTC)
    features = clock_features(np.array([second]))
    hour, weekday = 2 * np.pi * moment.hour / 24, 2 * np.pi * moment.weekday() / 7
    expected = [np.sin(hour), np.cos(hour), np.sin(weekday), np.cos(weekday)]
    np.testing.assert_allclose([features[name][0] for name in FEATURES], expected, atol=1e-6)


@given(st.lists(SECONDS, min_size=1))
def test_features_are_float32_points_on_the_unit_circle(seconds: list[int]) -> None:
    features = clock_features(np.array(seconds, np.int32))
    assert tuple(features) == FEATURES
    assert all(values.dtype == np.float32 and values.shape == (len(seconds),) for values in features.values())
    for circle in ("hour", "day_of_week"):
        radius = features[f"{circle}_sine"] ** 2 + features[f"{circle}_cosine"] ** 2
        np.testing.assert_allclose(radius, 1, atol=1e-6)


@pytest.mark.parametrize("minutes", [1, 59])
def test_minutes_do_not_count(minutes: int) -> None:
    monday_noon = 1_741_608_000
    earlier, later = clock_features([monday_noon]), clock_features([monday_noon + 60 * minutes])
    assert all(earlier[name] == later[name] for name in FEATURES)
