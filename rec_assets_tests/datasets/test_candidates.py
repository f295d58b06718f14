import numpy as np

from rec_assets.datasets.candidates import Candidates
from rec_assets.features.history import PADDING_ID

RETRIEVED = Candidates(np.array([[5, 6, 7], [8, 9, PADDING_ID]], np.int32), np.zeros((2, 3), np.float32))


def test_candidates_are_ordered_by_score_equal_ones_as_before_and_padding_last() -> None:
    ordered = RETRIEVED.order_by(np.array([[1, 3, 1], [-8, -7, 0]], np.float32))
    assert ordered.item_ids.tolist() == [[6, 5, 7], [9, 8, PADDING_ID]]
    assert ordered.scores.tolist() == [[3, 1, 1], [-7, -8, 0]]


def test_kept_candidates_stay_in_order_and_padding_comes_last() -> None:
    kept = RETRIEVED.only(np.array([[False, True, True], [False, True, True]]))
    assert kept.item_ids.tolist() == [[6, 7, PADDING_ID], [9, PADDING_ID, PADDING_ID]]
