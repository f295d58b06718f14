import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.inference.merge_candidates import PADDING_ID, with_history

WIDTH = 6  # candidates that the index finds, and items of a history


@st.composite
def requests(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    """Results of a search, each once, `PADDING_ID` last; and histories with repeats and holes."""
    rows = draw(st.integers(1, 4))
    found = [draw(st.lists(st.integers(1, 19), unique=True, max_size=WIDTH)) for _ in range(rows)]
    own = [draw(st.lists(st.integers(0, 19), min_size=WIDTH, max_size=WIDTH)) for _ in range(rows)]
    return [row + [PADDING_ID] * (WIDTH - len(row)) for row in found], own


def expected(found: list[int], own: list[int], score: dict[int, float], depth: int) -> list[int]:
    def best_first(ids: set[int]) -> list[int]:
        return sorted(ids - {PADDING_ID}, key=lambda item: -score[item])

    chosen = (best_first(set(own)) + best_first(set(found) - set(own)))[:depth]
    chosen.sort(key=lambda item: -score[item])
    return chosen + [PADDING_ID] * (depth - len(chosen))


@given(requests(), st.integers(1, WIDTH), st.integers(0, 99))
def test_histories_come_whole_the_best_of_what_was_found_fills_up_and_each_is_there_once(
    given_: tuple[list[list[int]], list[list[int]]], depth: int, seed: int
) -> None:
    found, own = given_
    # By request and id, all different: an item has one score, wherever it comes from.
    scores = np.random.default_rng(seed).permutation(20 * len(found)).reshape(-1, 20).astype(np.float32) - 40
    found_ids, own_ids = (np.array(rows, np.int32) for rows in (found, own))
    found_scores, own_scores = (np.take_along_axis(scores, ids, axis=1) for ids in (found_ids, own_ids))
    ids, merged = with_history(found_ids, found_scores, own_ids, own_scores, depth)
    assert (ids.dtype, merged.dtype) == (np.dtype(np.int32), np.dtype(np.float32))
    for row, mine in enumerate(ids.tolist()):
        score = dict(enumerate(scores[row].tolist()))
        assert mine == expected(found[row], own[row], score, depth)
        assert merged[row].tolist() == [0 if item == PADDING_ID else score[item] for item in mine]


def test_a_history_that_the_search_would_not_find_is_a_candidate() -> None:
    found, own = np.array([[5, 6, 7]], np.int32), np.array([[9, 5, 9]], np.int32)
    scores = np.array([[3, 2, 1]], np.float32), np.array([[-8, 3, -8]], np.float32)
    ids, merged = with_history(found, scores[0], own, scores[1], 3)
    assert (ids.tolist(), merged.tolist()) == ([[5, 6, 9]], [[3, 2, -8]])


def test_an_empty_history_changes_nothing() -> None:
    found, scores = np.array([[5, 6, 0]], np.int32), np.array([[3, -2, 0]], np.float32)
    ids, merged = with_history(found, scores, np.zeros((1, 4), np.int32), np.zeros((1, 4), np.float32), 3)
    np.testing.assert_array_equal(ids, found)
    np.testing.assert_array_equal(merged, scores)
