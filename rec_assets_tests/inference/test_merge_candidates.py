import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rec_assets.features.history import PADDING_ID
from rec_assets.inference.merge_candidates import with_history

WIDTH = 6  # length of retrieved lists and of histories


@st.composite
def requests(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    """Draws retrieved ids without duplicates, `PADDING_ID` last, and histories with repeats and padding."""
    rows = draw(st.integers(1, 4))
    retrieved = [draw(st.lists(st.integers(1, 19), unique=True, max_size=WIDTH)) for _ in range(rows)]
    history_ids = [draw(st.lists(st.integers(0, 19), min_size=WIDTH, max_size=WIDTH)) for _ in range(rows)]
    return [row + [PADDING_ID] * (WIDTH - len(row)) for row in retrieved], history_ids


def expected(retrieved: list[int], history_ids: list[int], score: dict[int, float], depth: int) -> list[int]:
    def best_first(ids: set[int]) -> list[int]:
        return sorted(ids - {PADDING_ID}, key=lambda item: -score[item])

    merged = (best_first(set(history_ids)) + best_first(set(retrieved) - set(history_ids)))[:depth]
    merged.sort(key=lambda item: -score[item])
    return merged + [PADDING_ID] * (depth - len(merged))


@given(requests(), st.integers(1, WIDTH), st.integers(0, 99))
def test_histories_come_whole_the_best_retrieved_items_fill_up_and_each_occurs_once(
    given_: tuple[list[list[int]], list[list[int]]], depth: int, seed: int
) -> None:
    retrieved, history_ids = (np.array(rows, np.int32) for rows in given_)
    # One score per request and item, whether the item is retrieved or from the history; all scores differ.
    scores = np.random.default_rng(seed).permutation(20 * len(retrieved)).reshape(-1, 20).astype(np.float32) - 40
    retrieved_scores, history_scores = (np.take_along_axis(scores, ids, axis=1) for ids in (retrieved, history_ids))
    ids, merged = with_history(retrieved, retrieved_scores, history_ids, history_scores, depth)
    assert (ids.dtype, merged.dtype) == (np.dtype(np.int32), np.dtype(np.float32))
    for row, items in enumerate(ids.tolist()):
        score = dict(enumerate(scores[row].tolist()))
        assert items == expected(retrieved[row].tolist(), history_ids[row].tolist(), score, depth)
        assert merged[row].tolist() == [0 if item == PADDING_ID else score[item] for item in items]


def test_a_history_that_the_search_would_not_find_is_a_candidate() -> None:
    retrieved, history_ids = np.array([[5, 6, 7]], np.int32), np.array([[9, 5, 9]], np.int32)
    scores = np.array([[3, 2, 1]], np.float32), np.array([[-8, 3, -8]], np.float32)
    ids, merged = with_history(retrieved, scores[0], history_ids, scores[1], 3)
    assert (ids.tolist(), merged.tolist()) == ([[5, 6, 9]], [[3, 2, -8]])


def test_an_empty_history_changes_nothing() -> None:
    retrieved, scores = np.array([[5, 6, 0]], np.int32), np.array([[3, -2, 0]], np.float32)
    ids, merged = with_history(retrieved, scores, np.zeros((1, 4), np.int32), np.zeros((1, 4), np.float32), 3)
    np.testing.assert_array_equal(ids, retrieved)
    np.testing.assert_array_equal(merged, scores)
