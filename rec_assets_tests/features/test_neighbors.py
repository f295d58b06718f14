import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.history import UserHistories
from rec_assets.features.signals import neighbors as module
from rec_assets.features.signals.neighbors import Neighbors
from rec_assets.features.signals.past import Past

ITEMS, K = 30, 4
RANDOM = np.random.default_rng(0)
NEIGHBORS = Neighbors(
    RANDOM.integers(0, ITEMS, (ITEMS, K)).astype(np.int32), RANDOM.random((ITEMS, K), np.float32).round(1)
)


@pytest.mark.parametrize("dense", [0, 10**6], ids=["by item of the history", "in a table of all items"])
@given(
    history=st.lists(st.integers(1, ITEMS + 2), max_size=8), candidates=st.lists(st.integers(0, ITEMS + 5), max_size=9)
)
def test_scores_equal_a_loop(dense: int, history: list[int], candidates: list[int]) -> None:
    histories = UserHistories.empty(2)  # the first request has no history
    histories.item_ids[1, : len(history)] = history
    past = Past(histories, np.array([100, 100]))
    expected = [
        sum(
            float(weight) * np.log1p(history.count(item))
            for item in set(history)
            if item < ITEMS
            for near, weight in zip(NEIGHBORS.item_ids[item], NEIGHBORS.weights[item], strict=True)
            if near == candidate
        )
        for candidate in candidates
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DENSE", dense)
        scores = NEIGHBORS.scores_of(past, np.repeat([0, 1], len(candidates)), np.array(candidates * 2, np.int32))
    np.testing.assert_allclose(scores, [0.0] * len(candidates) + expected)
