import numpy as np
import numpy.typing as npt
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.history import PADDING_ID
from rec_assets.inference.merge import OWN_POINTS, RANK_OFFSET, Merger

SIZE = 12
MERGER = Merger(SIZE)  # one for all examples, because it must be empty after each of them
lists = st.lists(st.integers(PADDING_ID + 1, SIZE - 1), unique=True, max_size=SIZE)


def ids_of(items: list[int]) -> npt.NDArray[np.int64]:
    return np.array(items, np.int64)


@given(st.lists(lists, max_size=3), lists, st.lists(st.integers(0, 3), min_size=SIZE, max_size=SIZE), st.integers(1, 8))
def test_merged_lists_equal_a_loop(sources: list[list[int]], own: list[int], points: list[int], depth: int) -> None:
    total = {item: float(value) for item, value in zip(own, points, strict=False) if value}
    for source in sources:
        for rank, item in enumerate(item for item in source if item not in own):
            total[item] = total.get(item, 0) + 1 / (RANK_OFFSET + 1 + rank)
    expected = sorted(total, key=lambda item: (-total[item], item))[:depth]
    padded = [ids_of([*source, PADDING_ID]) for source in sources]
    assert MERGER(padded, ids_of(own), np.array(points[: len(own)], np.float64), depth).tolist() == expected


def test_reciprocal_ranks_never_outweigh_an_own_item() -> None:
    assert 3 / (RANK_OFFSET + 1) < OWN_POINTS
