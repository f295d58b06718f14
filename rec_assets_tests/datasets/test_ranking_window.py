from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from rec_assets.common.units import DAY_SECONDS
from rec_assets.datasets.ranking_window import before_window, window_of
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.features.columns import REQUEST_USER_ID, TIMESTAMP
from rec_assets_tests.pipeline import Pipeline


@pytest.mark.parametrize(
    ("days", "horizon_days", "window_days"),
    [
        (30, 14, 14),  # as long as validation
        (200, 7, 50),  # a quarter of a long history
        (5, 3, 2.5),  # never more than half
    ],
)
def test_the_window_is_as_long_as_validation_or_a_share_of_the_time(
    days: int, horizon_days: int, window_days: float
) -> None:
    times = np.arange(0, days * DAY_SECONDS + 1, 3_600)
    window = times[window_of({TIMESTAMP: times}, horizon_days)]
    assert len(window) == window_days * 24
    assert window[-1] == times[-1]


@example([0, 1], 1)
@given(st.lists(st.integers(0, 400 * DAY_SECONDS), min_size=1, max_size=50), st.integers(1, 30))
def test_rows_remain_before_the_window_and_moments_are_not_split(times: list[int], horizon_days: int) -> None:
    ordered = np.sort(np.array(times, np.int64))
    window = window_of({TIMESTAMP: ordered}, horizon_days)
    assert 0 < window.start <= window.stop == len(ordered)
    assert window.start == len(ordered) or ordered[window.start - 1] < ordered[window.start]
    assert (window.start < len(ordered)) == (len(set(times)) > 1)


def test_a_set_before_the_window_has_no_row_of_it(pipeline: Pipeline) -> None:
    data = TrainingSet.load(pipeline.artifact("training_set").path)
    horizon_days = pipeline.settings.valid_days
    assert all(before <= after for before, after in pairwise(data.rows[TIMESTAMP].tolist()))
    earlier = before_window(data, horizon_days)
    start = earlier.last_rows[TIMESTAMP].min()
    assert earlier.last_training_moment < start
    for name, column in data.rows.items():
        np.testing.assert_array_equal(np.concatenate([earlier.rows[name], earlier.last_rows[name]]), column)
    assert earlier.items.with_rows(earlier.last_rows["item_id"]).counts.tolist() == data.items.counts.tolist()

    queries = earlier.validation
    last = earlier.last_training_moment + horizon_days * DAY_SECONDS
    asked = (earlier.last_rows[TIMESTAMP] <= last) & (earlier.last_rows[REQUEST_USER_ID] >= 0)
    users = earlier.last_rows[REQUEST_USER_ID][asked]
    assert queries.user_ids.tolist() == np.unique(users).tolist()
    for user, moment in zip(queries.user_ids[:20], queries.timestamps[:20], strict=True):
        assert moment == earlier.last_rows[TIMESTAMP][asked][users == user].min()
    chosen = set(zip(users.tolist(), data.items.raw_ids[earlier.last_rows["item_id"][asked]].tolist(), strict=True))
    assert set(queries.relevant.rows()) == chosen
    assert queries.cold.tolist() == (~np.isin(queries.user_ids, earlier.rows[REQUEST_USER_ID])).tolist()


def test_without_known_users_in_the_window_the_queries_stay_those_of_validation(pipeline: Pipeline) -> None:
    data = TrainingSet.load(pipeline.artifact("training_set").path)
    data.rows[REQUEST_USER_ID][:] = -1
    earlier = before_window(data, pipeline.settings.valid_days)
    assert earlier.validation is data.validation
