import numpy as np
import pytest

from rec_assets.evaluation.calibration import calibrate


def test_honest_scores_have_no_expected_error() -> None:
    rng = np.random.default_rng(0)
    scores = rng.uniform(size=(500, 100)).astype(np.float32)
    calibration = calibrate(scores, rng.uniform(size=scores.shape) < scores)
    assert calibration.expected_error < 0.01
    assert calibration.table["pairs"].to_list() == [5_000] * 10
    assert calibration.table["score"].is_sorted()


def test_boasting_scores_are_off_by_what_they_boast() -> None:
    hits = np.zeros((10, 10), bool)
    hits[:, 0] = True
    calibration = calibrate(np.full(hits.shape, 0.5, np.float32), hits)
    assert calibration.expected_error == pytest.approx(0.4)
    assert calibration.brier == pytest.approx(0.25)


def test_fewer_pairs_than_tenths_are_a_row_each() -> None:
    calibration = calibrate(np.array([[0.9, 0.1]], np.float32), np.array([[True, False]]))
    assert calibration.table.rows() == [(1, pytest.approx(0.1), 0.0), (1, pytest.approx(0.9), 1.0)]
    assert calibration.brier == pytest.approx(0.01)
