import numpy as np
import pytest

from rec_assets.datasets.rows import Arrays
from rec_assets.datasets.training_set import TrainingSet
from rec_assets.features.columns import REQUEST_USER_ID, USER_FEATURES
from rec_assets.features.masking import UNKNOWN
from rec_assets.training.ranking.visitors import SHARE, with_visitors
from rec_assets_tests.pipeline import Pipeline


def test_a_share_of_the_requests_has_the_context_of_its_row_and_nothing_of_its_user(pipeline: Pipeline) -> None:
    rows = TrainingSet.load(pipeline.artifact("training_set").path).rows
    asked = with_visitors(rows, rows, seed=1)
    known = rows[REQUEST_USER_ID] != UNKNOWN
    visitors = known & (asked[REQUEST_USER_ID] == UNKNOWN)
    assert visitors.sum() == pytest.approx(SHARE * known.sum(), rel=0.2)
    for name, column in asked.items():
        assert column.dtype == rows[name].dtype
        np.testing.assert_array_equal(column[~visitors], rows[name][~visitors])
        if name in USER_FEATURES:
            # All anonymous rows look alike.
            assert set(column[visitors]) == set(rows[name][~known])
        elif name != REQUEST_USER_ID:
            np.testing.assert_array_equal(column, rows[name])


def test_without_an_anonymous_row_no_request_is_changed() -> None:
    requests: Arrays = {REQUEST_USER_ID: np.arange(100, dtype=np.int32), **dict.fromkeys(USER_FEATURES, np.ones(100))}
    assert with_visitors(requests, requests, seed=1) is requests
