import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.signals import neighbors as module
from rec_assets.features.signals.neighbors import Neighbors

ITEMS, K = 30, 4
RANDOM = np.random.default_rng(0)
NEIGHBORS = Neighbors(
    RANDOM.integers(0, ITEMS, (ITEMS, K)).astype(np.int32), RANDOM.random((ITEMS, K), np.float32).round(1)
)

TABLES = NEIGHBORS.item_ids, NEIGHBORS.weights


@pytest.mark.parametrize("dense", [0, 10**6], ids=["by item of the history", "in a table of all items"])
@given(history=st.dictionaries(st.integers(1, ITEMS + 2), st.integers(1, 3), max_size=8))
def test_scores_equal_a_loop(dense: int, history: dict[int, int]) -> None:
    own = np.array(sorted(history), np.int64)
    expected: dict[int, float] = {}
    for item in history:
        for near, weight in zip(*(table[item : item + 1].ravel() for table in TABLES), strict=True):
            expected[int(near)] = expected.get(int(near), 0) + float(weight) * history[item]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "DENSE", dense)
        found, scores = NEIGHBORS.scores(own, np.array([history[item] for item in own.tolist()]))
    made = dict(zip(found.tolist(), scores.tolist(), strict=True))
    assert found.tolist() == sorted(made)
    for item in {*made, *expected}:
        assert made.get(item, 0) == pytest.approx(expected.get(item, 0))
