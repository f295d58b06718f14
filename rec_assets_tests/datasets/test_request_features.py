import numpy as np

from rec_assets.datasets.request_features import sample_request_times
from rec_assets.features.columns import TIMESTAMP


def test_half_of_the_requests_keep_their_time_and_the_others_come_up_to_a_horizon_earlier() -> None:
    columns, horizon = {TIMESTAMP: np.full(10_000, 1_000_000)}, 3_600
    times = sample_request_times(columns, horizon, seed=1)
    ahead = columns[TIMESTAMP] - times
    assert ahead.min() >= 0 and 0.9 * horizon < ahead.max() < horizon
    assert 0.45 < (ahead == 0).mean() < 0.55
    np.testing.assert_array_equal(times, sample_request_times(columns, horizon, seed=1))
    assert (times != sample_request_times(columns, horizon, seed=2)).any()


def test_without_a_horizon_all_requests_keep_their_time() -> None:
    columns = {TIMESTAMP: np.arange(100)}
    np.testing.assert_array_equal(sample_request_times(columns, 0, seed=1), columns[TIMESTAMP])
